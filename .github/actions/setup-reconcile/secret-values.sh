# Sourced by the steps that need values: SECRET_VALUES contains the secrets that files refer to.
#
#   SECRET_NAME=value            one line, taken byte for byte up to its end
#   SECRET_NAME=-----BEGIN …     a PEM block, up to its END line
#   SECRET_NAME={ …              a JSON document, up to the bracket that closes it
#   SECRET_NAME<<DELIMITER       any value, up to a line with only DELIMITER
#
# Only names that begin with SECRET_ are accepted, because files can refer to no others by default. Any
# other line ends the step with its number, because a truncated value would be a wrong credential. The
# functions run in the C locale, so that values are bytes and a long line is parsed in linear time.

secret_values_fail() {
    echo "::error title=SECRET_VALUES::line $1 $2" >&2
    exit 1
}

# Print the commands that hide a value in logs: for each line, since logs are masked line by line.
secret_values_mask() {
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        # In a longer value, a line of brackets is no secret, and masking it would hide every bracket.
        [[ $line == *[![:space:]]* ]] || continue
        [[ $1 != *$'\n'* || $line == *[[:alnum:]]* ]] || continue
        line=${line//'%'/%25}
        printf '::add-mask::%s\n' "${line//$'\r'/%0D}"
    done < <(printf '%s' "$1")
}

# Count the brackets of one line of JSON into `depth`; fail if the line cannot be part of JSON.
secret_values_brackets() {
    local line=$1 quoted='' character i
    for ((i = 0; i < ${#line}; i++)); do
        character=${line:i:1}
        if [[ -n $quoted ]]; then
            case $character in
                \\) i=$((i + 1)) ;;
                \") quoted='' ;;
            esac
            continue
        fi
        case $character in
            \") quoted=yes ;;
            '{' | '[') depth=$((depth + 1)) ;;
            '}' | ']') depth=$((depth - 1)) ;;
        esac
    done
    [[ -z $quoted ]]
}

# Read lines from `at` on to the end of the block that `value` begins; `value` becomes the block.
secret_values_block() {
    local kind=$1 closing=$2 first=$at begin=$value depth=0 line
    [[ $kind == heredoc ]] || secret_values_goes_on "$value" || return 0
    while ((at < ${#lines[@]})); do
        line=${lines[at]}
        [[ -z $cr ]] || line=${line%$'\r'}
        if [[ $kind != heredoc && $line =~ $assignment ]]; then
            break
        fi
        at=$((at + 1))
        if [[ $kind == heredoc && $line == "$closing" ]]; then
            value=${value#$'\n'}
            return 0
        fi
        value+=$'\n'$line
        [[ $kind == heredoc ]] || secret_values_goes_on "$line" || return 0
    done
    # A value that only begins like JSON is a single line.
    if [[ $kind == json && ! ${value#"$begin"} == *[![:space:]]* ]]; then
        value=$begin at=$first
        return 0
    fi
    secret_values_fail "$first" "begins a value of several lines that does not end"
}

# Return whether the block continues after this line.
secret_values_goes_on() {
    case $kind in
        pem)
            [[ $1 != *-----END* ]] || [[ ${lines[at]-} == -----BEGIN* ]]
            ;;
        json)
            secret_values_brackets "$1" || return 0
            ((depth > 0))
            ;;
    esac
}

secret_values_read() {
    local LC_ALL=C
    local assignment='^[[:blank:]]*(SECRET_[A-Za-z0-9_]+)(=|<<)(.*)$'
    local lines=() at=0 line name value cr seen=' '
    mapfile -t lines < <(printf '%s' "${SECRET_VALUES-}")
    while ((at < ${#lines[@]})); do
        line=${lines[at]}
        at=$((at + 1))
        cr='' # if the line that names a secret ends in CR LF, the lines of its value do too
        [[ $line != *$'\r' ]] || cr=yes
        line=${line%$'\r'}
        [[ $line == *[![:space:]]* ]] || continue
        [[ $line =~ $assignment ]] ||
            secret_values_fail "$at" "is not SECRET_NAME=value; for a value of several lines write SECRET_NAME<<DELIMITER"
        name=${BASH_REMATCH[1]} value=${BASH_REMATCH[3]}
        [[ $seen != *" $name "* ]] || secret_values_fail "$at" "sets $name a second time"
        seen+="$name "
        case ${BASH_REMATCH[2]}$value in
            '<<') secret_values_fail "$at" "names no delimiter after <<" ;;
            '<<'*) line=$value value='' && secret_values_block heredoc "$line" ;;
            '='-----BEGIN*) secret_values_block pem '' ;;
            '='[{[]*) secret_values_block json '' ;;
        esac
        secret_values_mask "$value"
        export "$name=$value"
    done
}

secret_values_read
unset SECRET_VALUES
unset -f secret_values_fail secret_values_mask secret_values_brackets secret_values_block \
    secret_values_goes_on secret_values_read
