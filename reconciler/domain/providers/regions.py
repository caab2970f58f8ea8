"""Forms of the names of regions, and the names that vendors have published.

Vendors add regions, so an unlisted name is accepted. A name of another form is most likely a
mistake; the lists are only used to suggest the nearest name.
"""

_DIRECTION = "(north|south|east|west|central|northeast|northwest|southeast|southwest)"

# The areas are those of the partitions of AWS (boto/botocore: botocore/data/endpoints.json).
AWS_FORM = (
    "(af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov|us-iso[a-z]?|eu-iso[a-z]|eusc-[a-z]{2})"
    f"-{_DIRECTION}-[0-9]{{1,2}}"
)
_AWS = """
af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1
ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5
ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1
eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1
il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1
us-gov-west-1 us-west-1 us-west-2
"""
AWS_REGIONS = tuple(_AWS.split())

# googleapis/python-aiplatform: google/cloud/aiplatform/constants/base.py; the multi-regions are
# those of the documentation of Portkey.
GOOGLE_FORM = (
    "global|us|eu|(africa|asia|australia|europe|me|northamerica|southamerica|us)"
    f"-{_DIRECTION}[0-9]{{1,2}}"
)
_GOOGLE = """
asia-east1 asia-east2 asia-northeast1 asia-northeast3 asia-south1 asia-southeast1
australia-southeast1 europe-west1 europe-west2 europe-west3 europe-west4 europe-west6
europe-west9 global northamerica-northeast1 northamerica-northeast2 southamerica-east1
us-central1 us-east1 us-east4 us-west1 us-west2 us-west4
"""
GOOGLE_REGIONS = tuple(_GOOGLE.split())

# Early-access regions have letters after the digit (`eastus2euap`).
AZURE_FORM = "[a-z]+([0-9][a-z]*)?"
