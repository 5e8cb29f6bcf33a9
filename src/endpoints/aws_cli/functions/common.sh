changes=0
failures=0
# Lines of identifier and name: the endpoints that have to be available.
expected=''

# Security groups that lack a rule. No endpoint with private DNS may lead to them.
incomplete=''

# changed TEXT: prints and counts a change.
changed() {
  printf '%s\n' "$1"
  changes=$((changes + 1))
}

# failed TEXT: prints and counts what is not as it should be. The script goes on.
failed() {
  printf 'error: %s\n' "$1" >&2
  failures=$((failures + 1))
}

# expect NAME ID: this endpoint has to be available.
expect() {
  expected+="$2 $1"$'\n'
}

# lacks_rules WORD...: whether one of the words is a security group that lacks a rule.
lacks_rules() {
  local word
  for word in "$@"; do
    if [[ "$incomplete " == *" $word "* ]]; then
      return 0
    fi
  done
  return 1
}

# list_endpoints: prints identifier, state, type and service of each endpoint of the VPC.
list_endpoints() {
  aws ec2 describe-vpc-endpoints --region "$region" --filters "Name=vpc-id,Values=$vpc" \
    --query 'VpcEndpoints[].[VpcEndpointId, State, VpcEndpointType, ServiceName]' --output text
}
