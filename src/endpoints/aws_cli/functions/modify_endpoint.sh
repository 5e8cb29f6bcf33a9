# modify_endpoint NAME ID OPTION...: adds to an endpoint what it does not have yet.
modify_endpoint() {
  local name=$1 id=$2 present option='' word words
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
    read -r -a words <<<"$present"
    if lacks_rules "$@" || { [[ " $*" == *' --private-dns-enabled' ]] && lacks_rules "${words[@]}"; }; then
      failed "endpoint $name not modified ($id): its security group lacks rules"
    elif aws ec2 modify-vpc-endpoint --region "$region" --vpc-endpoint-id "$id" "$@" --output text >/dev/null; then
      changed "endpoint $name modified ($id)"
    else
      failed "cannot modify endpoint $name ($id)"
    fi
  fi
}
