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
  if lacks_rules "$@"; then
    failed "endpoint $name not created: its security group lacks rules"
    return
  fi
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
