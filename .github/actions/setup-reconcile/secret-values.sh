# Sourced by the steps that need values: SECRET_VALUES has a line NAME=value for each secret.
# Only names that begin with SECRET_ are taken, as files may refer to no others by default.
while IFS='=' read -r name value; do
    [[ $name =~ ^SECRET_[A-Z0-9_]+$ ]] || continue
    [[ -z $value ]] || echo "::add-mask::$value"
    export "$name=$value"
done <<< "${SECRET_VALUES-}"
unset SECRET_VALUES name value
