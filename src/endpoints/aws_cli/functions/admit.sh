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
    incomplete+=" $group"
    failed "cannot admit $peer on port 443 in security group $name: $message"
  fi
}
