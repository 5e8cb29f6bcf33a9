# enable_vpc_attribute ATTRIBUTE OPTION: turns on an attribute of the VPC.
enable_vpc_attribute() {
  local attribute=$1 option=$2 value
  value=$(aws ec2 describe-vpc-attribute --region "$region" --vpc-id "$vpc" --attribute "$attribute" \
    --query "E${attribute#e}.Value" --output text)
  if [ "$value" != True ]; then
    aws ec2 modify-vpc-attribute --region "$region" --vpc-id "$vpc" "$option" Value=true
    changed "$attribute of $vpc turned on"
  fi
}
