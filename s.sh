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
# The endpoints that it adds cost USD 0.20 per hour, and traffic.
# The names of ecr.api, ecr.dkr, sts, ec2 will lead to the endpoints in the whole VPC: subnet-0a1b2c3d4e5f60001, subnet-0a1b2c3d4e5f60002

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

# create_security_group NAME PURPOSE DESCRIPTION TAGS: sets $security_group to the group with the tag for this purpose,
# which is created if there is none.
create_security_group() {
  local name=$1 purpose=$2 description=$3 tags=$4
  security_group=$(aws ec2 describe-security-groups --region "$region" \
    --filters "Name=vpc-id,Values=$vpc" "Name=tag:privatelink.cast.ai/security-group-for,Values=$purpose" \
    --query 'SecurityGroups[].[GroupId]' --output text | sort | sed -n 1p)
  if [ -z "$security_group" ]; then
    security_group=$(aws ec2 create-security-group --region "$region" --vpc-id "$vpc" --group-name "$name" \
      --description "$description" --tag-specifications "$tags" --query GroupId --output text)
    aws ec2 wait security-group-exists --region "$region" --group-ids "$security_group"
    changed "security group $name created ($security_group)"
  fi
}

# admit NAME ID PEER PERMISSIONS: adds the rule for a peer to a security group.
admit() {
  local name=$1 group=$2 peer=$3 permissions=$4 peers message
  peers=$(aws ec2 describe-security-groups --region "$region" --filters "Name=group-id,Values=$group" --query \
    "SecurityGroups[].IpPermissions[?IpProtocol=='tcp' && to_string(FromPort)=='443' && to_string(ToPort)=='443'][]
    .[IpRanges[].CidrIp, Ipv6Ranges[].CidrIpv6, UserIdGroupPairs[].GroupId][][]" --output text | tr '\t\n' '  ')
  case " $peers" in
    *" $peer "*) return ;;
  esac
  if message=$(aws ec2 authorize-security-group-ingress --region "$region" --group-id "$group" \
    --ip-permissions "$permissions" --output text 2>&1); then
    changed "$peer admitted on port 443 by security group $name"
  elif [[ $message != *InvalidPermission.Duplicate* ]]; then
    failed "cannot admit $peer on port 443 in security group $name: $message"
  fi
}

# create_endpoint NAME SERVICE TYPE OPTION...: creates an endpoint, unless the VPC has one of this service and type.
create_endpoint() {
  local name=$1 service=$2 type=$3 id state of_type of_service
  shift 3
  while read -r id state of_type of_service; do
    if [ "$of_service" = "$service" ] && [ "$of_type" = "$type" ] && [[ $state != [Dd]elet* ]]; then
      expect "$name" "$id"
      return
    fi
  done <<<"$endpoints"
  # With a token, EC2 creates one endpoint, also if the AWS CLI repeats the request.
  if id=$(aws ec2 create-vpc-endpoint --region "$region" --vpc-id "$vpc" --service-name "$service" \
    --vpc-endpoint-type "$type" "$@" --client-token "castai-$$-$RANDOM-$RANDOM-$RANDOM-$RANDOM" \
    --query VpcEndpoint.VpcEndpointId --output text); then
    changed "endpoint $name created ($id)"
    expect "$name" "$id"
  else
    failed "cannot create endpoint $name"
  fi
}

# tag_subnets TAGS SUBNET...: tags the subnets that do not have the tag cast.ai/routable yet.
tag_subnets() {
  local tags=$1 tagged subnet subnets
  shift
  tagged=$(aws ec2 describe-subnets --region "$region" \
    --filters "Name=vpc-id,Values=$vpc" 'Name=tag-key,Values=cast.ai/routable' \
    --query 'Subnets[].[SubnetId]' --output text | tr '\t\n' '  ')
  for subnet in "$@"; do
    shift
    [[ " $tagged" == *" $subnet "* ]] || set -- "$@" "$subnet"
  done
  if [ "$#" -gt 0 ]; then
    subnets=$(printf '%s, ' "$@")
    if aws ec2 create-tags --region "$region" --resources "$@" --tags "$tags"; then
      changed "${subnets%, } tagged with cast.ai/routable=true"
    else
      failed "cannot tag ${subnets%, }"
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

# Security group castai-privatelink-endpoints
create_security_group 'castai-privatelink-endpoints' 'cast-ai' \
  'HTTPS from nodes and pods to the VPC endpoints of Cast AI' \
  '[{"ResourceType":"security-group","Tags":[{"Key":"Name","Value":"castai-privatelink-endpoints"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"},{"Key":"privatelink.cast.ai/security-group-for","Value":"cast-ai"}]}]'
id_of_castai_privatelink_endpoints=$security_group

# sg-0a1b2c3d4e5f60001 may connect
admit 'castai-privatelink-endpoints' "$id_of_castai_privatelink_endpoints" 'sg-0a1b2c3d4e5f60001' \
  '[{"FromPort":443,"IpProtocol":"tcp","ToPort":443,"UserIdGroupPairs":[{"GroupId":"sg-0a1b2c3d4e5f60001"}]}]'

# fd00::/64 may connect
admit 'castai-privatelink-endpoints' "$id_of_castai_privatelink_endpoints" 'fd00::/64' \
  '[{"FromPort":443,"IpProtocol":"tcp","Ipv6Ranges":[{"CidrIpv6":"fd00::/64"}],"ToPort":443}]'

# Security group castai-privatelink-aws-endpoints
create_security_group 'castai-privatelink-aws-endpoints' 'aws' \
  'HTTPS from the VPC to the VPC endpoints of AWS services' \
  '[{"ResourceType":"security-group","Tags":[{"Key":"Name","Value":"castai-privatelink-aws-endpoints"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"},{"Key":"privatelink.cast.ai/security-group-for","Value":"aws"}]}]'
id_of_castai_privatelink_aws_endpoints=$security_group

# 10.0.0.0/16 may connect
admit 'castai-privatelink-aws-endpoints' "$id_of_castai_privatelink_aws_endpoints" '10.0.0.0/16' \
  '[{"FromPort":443,"IpProtocol":"tcp","IpRanges":[{"CidrIp":"10.0.0.0/16"}],"ToPort":443}]'

# fd00::/64 may connect
admit 'castai-privatelink-aws-endpoints' "$id_of_castai_privatelink_aws_endpoints" 'fd00::/64' \
  '[{"FromPort":443,"IpProtocol":"tcp","Ipv6Ranges":[{"CidrIpv6":"fd00::/64"}],"ToPort":443}]'

# Endpoint rest-api: needed by every component
create_endpoint 'rest-api' 'com.amazonaws.vpce.us-east-1.vpce-svc-0f648001d494b9a46' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-rest-api"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint grpc-pod-pinner: needed by pod-pinner, kentroller, others with GRPC_URL
create_endpoint 'grpc-pod-pinner' 'com.amazonaws.vpce.us-east-1.vpce-svc-05e9e206a737781a7' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-grpc-pod-pinner"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint api-grpc: needed by cluster-controller tunnel, older kvisor, db-proxy
create_endpoint 'api-grpc' 'com.amazonaws.vpce.us-east-1.vpce-svc-00d55140e30124b2f' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-api-grpc"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint files: needed by nodes that Cast AI provisions
create_endpoint 'files' 'com.amazonaws.vpce.us-east-1.vpce-svc-0b611f59ee5494cc3' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-files"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint kvisor: needed by kvisor
create_endpoint 'kvisor' 'com.amazonaws.vpce.us-east-1.vpce-svc-03281b4e5730a84b6' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-kvisor"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint telemetry: needed by kvisor, workload-autoscaler, gpu-metrics-exporter
create_endpoint 'telemetry' 'com.amazonaws.vpce.us-east-1.vpce-svc-0c00cf3bb0688c735' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-telemetry"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint ecr.api: needed by nodes that pull images
create_endpoint 'ecr.api' 'com.amazonaws.us-east-1.ecr.api' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_aws_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-ecr.api"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint ecr.dkr: needed by nodes that pull images
create_endpoint 'ecr.dkr' 'com.amazonaws.us-east-1.ecr.dkr' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_aws_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-ecr.dkr"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint s3: needed by nodes that pull images
create_endpoint 's3' 'com.amazonaws.us-east-1.s3' Gateway \
  --route-table-ids 'rtb-0a1b2c3d4e5f60001' \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-s3"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint sts: needed by the agent and other pods with an IAM role
create_endpoint 'sts' 'com.amazonaws.us-east-1.sts' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_aws_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-sts"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Endpoint ec2: needed by the agent, for its account and instances
create_endpoint 'ec2' 'com.amazonaws.us-east-1.ec2' Interface \
  --subnet-ids 'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002' \
  --security-group-ids "$id_of_castai_privatelink_aws_endpoints" \
  --private-dns-enabled \
  --tag-specifications '[{"ResourceType":"vpc-endpoint","Tags":[{"Key":"Name","Value":"castai-privatelink-ec2"},{"Key":"k","Value":"it'\''s \"x\",[y]"},{"Key":"privatelink.cast.ai/managed-by","Value":"kubectl-castai-privatelink"}]}]'

# Cast AI may add nodes to subnets with the tag cast.ai/routable
tag_subnets '[{"Key":"cast.ai/routable","Value":"true"},{"Key":"privatelink.cast.ai/routable-tagged-by","Value":"kubectl-castai-privatelink"}]' \
  'subnet-0a1b2c3d4e5f60001' 'subnet-0a1b2c3d4e5f60002'

# All endpoints have to be available
wait_for_endpoints
check_endpoints
conclude
