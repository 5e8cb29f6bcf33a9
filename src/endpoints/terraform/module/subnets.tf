# Cast AI adds nodes only to subnets with this tag.
resource "aws_ec2_tag" "routable" {
  for_each = toset(var.routable_subnet_ids)

  resource_id = each.key
  key         = "cast.ai/routable"
  value       = "true"
}

# Marks the tag as Terraform's, so that `endpoints delete` leaves it alone.
resource "aws_ec2_tag" "routable_owner" {
  for_each = toset(var.routable_subnet_ids)

  resource_id = each.key
  key         = "privatelink.cast.ai/routable-tagged-by"
  value       = "terraform"
}
