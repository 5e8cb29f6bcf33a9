#!/usr/bin/env bash
#
# VPC endpoints of Cast AI for cluster demo: vpc-0a1b2c3d4e5f60718 in us-east-1, account 123456789012
#
# Printed by `kubectl castai-privatelink endpoints aws-cli`; leads to the same state as `endpoints create`.
# It looks up what exists, and adds only what is missing, so that it may run again. It removes nothing.
# If the VPC has changed since, print it again.
#
# Requires bash 3.2 or later, AWS CLI 1 or 2, and the permissions that this command prints:
#   kubectl castai-privatelink permissions iam --for endpoints
#
# The endpoints that it adds cost USD 0.01 per hour, and traffic.

set -euo pipefail

# AWS CLI 2 shows output in a pager; AWS CLI 1 may use the endpoint of STS in us-east-1.
export AWS_PAGER='' AWS_STS_REGIONAL_ENDPOINTS=regional

region='us-east-1'
vpc='vpc-0a1b2c3d4e5f60718'
account='123456789012'
# How long to wait for the endpoints, in seconds.
timeout=600

changes=0
failures=0
# Lines of identifier and name: the endpoints that have to be available.
expected=''

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

# list_endpoints: prints identifier, state, type and service of each endpoint of the VPC.
list_endpoints() {
  aws ec2 describe-vpc-endpoints --region "$region" --filters "Name=vpc-id,Values=$vpc" \
    --query 'VpcEndpoints[].[VpcEndpointId, State, VpcEndpointType, ServiceName]' --output text
}

# modify_endpoint NAME ID OPTION...: adds to an endpoint what it does not have yet.
modify_endpoint() {
  local name=$1 id=$2 present option='' word
  shift 2
  present=$(aws ec2 describe-vpc-endpoints --region "$region" --filters "Name=vpc-endpoint-id,Values=$id" \
    --query 'VpcEndpoints[].[PrivateDnsEnabled, SubnetIds, RouteTableIds, Groups[].GroupId][][]' --output text |
    tr '\t\n' '  ')
  expect "$name" "$id"
  # Keeps of the options those that add something.
  for word in "$@"; do
    shift
    if [ "$word" = --private-dns-enabled ]; then
      [[ $present == True* ]] || set -- "$@" "$word"
    elif [[ $word == --* ]]; then
      option=$word
    elif [[ " $present" != *" $word "* ]]; then
      # An option comes before the first of its values.
      set -- "$@" ${option:+"$option"} "$word"
      option=''
    fi
  done
  if [ "$#" -gt 0 ] && [ -n "$present" ]; then
    if aws ec2 modify-vpc-endpoint --region "$region" --vpc-endpoint-id "$id" "$@" --output text >/dev/null; then
      changed "endpoint $name modified ($id)"
    else
      failed "cannot modify endpoint $name ($id)"
    fi
  fi
}

# wait_for_endpoints: waits until no endpoint of the VPC is pending, or the time is over.
wait_for_endpoints() {
  local deadline=$((SECONDS + timeout)) pending before='' id state
  while true; do
    endpoints=$(list_endpoints)
    pending=''
    while read -r id state _; do
      if [[ $state == [Pp]ending ]]; then
        pending+=" $id"
      fi
    done <<<"$endpoints"
    if [ -z "$pending" ]; then
      return
    elif [ "$SECONDS" -ge "$deadline" ]; then
      printf 'still pending after %s seconds:%s\n' "$timeout" "$pending" >&2
      return
    elif [ "$pending" != "$before" ]; then
      printf 'waiting for%s: EC2 takes one to three minutes\n' "$pending" >&2
    fi
    before=$pending
    sleep 5
  done
}

# check_endpoints: prints the expected endpoints that are not available, and what to do.
check_endpoints() {
  local id name other state of_other
  while read -r id name; do
    if [ -z "$id" ]; then
      continue
    fi
    state=''
    while read -r other of_other _; do
      if [ "$other" = "$id" ]; then
        state=$of_other
      fi
    done <<<"$endpoints"
    case $state in
      [Aa]vailable) ;;
      [Pp]ending[Aa]cceptance)
        failed "endpoint $name ($id) is pendingAcceptance: the owner of its service has to accept it; ask Cast AI to \
accept $id of account ${account:-of the VPC}, and run this script again"
        ;;
      [Pp]ending)
        failed "endpoint $name ($id) is still pending: run this script again to wait longer"
        ;;
      '')
        failed "EC2 does not list endpoint $name ($id): run this script again, and print it again if that does not help"
        ;;
      *)
        failed "endpoint $name ($id) is $state, and will not become available: \`kubectl castai-privatelink endpoints \
plan\` says what to do"
        ;;
    esac
  done <<<"$expected"
}

# conclude: prints how the script ended, and ends it.
conclude() {
  local made
  case $changes in
    0) made='no change made' ;;
    1) made='1 change made' ;;
    *) made="$changes changes made" ;;
  esac
  if [ "$failures" -gt 0 ]; then
    printf 'incomplete: %s, see the errors above; run again when they are solved\n' "$made" >&2
    exit 1
  elif [ "$changes" -eq 0 ]; then
    printf 'up to date: %s needs no change\n' "$vpc" >&2
  else
    printf 'done: %s in %s\n' "$made" "$vpc" >&2
  fi
}

# The credentials have to be those of the account
caller=$(aws sts get-caller-identity --region "$region" --query Account --output text)
if [ "$caller" != "$account" ]; then
  printf 'error: the credentials are of account %s, and this script is for %s\n' "$caller" "$account" >&2
  exit 1
fi

# Endpoints that exist
endpoints=$(list_endpoints)

# Endpoint rest-api: private DNS is off, no address in us-east-1b
modify_endpoint 'rest-api' 'vpce-00000000000000001' \
  --add-subnet-ids 'subnet-0a1b2c3d4e5f60002' \
  --private-dns-enabled

# All endpoints have to be available
expect 'grpc-pod-pinner' 'vpce-00000000000000002'
expect 'api-grpc' 'vpce-00000000000000003'
expect 'files' 'vpce-00000000000000004'
expect 'kvisor' 'vpce-00000000000000005'
expect 'telemetry' 'vpce-00000000000000006'
expect 'ecr.api' 'vpce-00000000000000007'
expect 'ecr.dkr' 'vpce-00000000000000008'
expect 's3' 'vpce-00000000000000009'
expect 'sts' 'vpce-0000000000000000a'
expect 'ec2' 'vpce-0000000000000000b'
wait_for_endpoints
check_endpoints
conclude
