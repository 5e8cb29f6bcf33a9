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
