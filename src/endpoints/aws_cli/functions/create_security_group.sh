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
