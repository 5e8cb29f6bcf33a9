# What endpoints of other owners get. Each part is a resource of its own, so that nothing else of the endpoint changes.

locals {
  added_subnets = merge([
    for name, endpoint in var.existing_endpoints : {
      for id in endpoint.subnet_ids : "${name}/${id}" => { endpoint = endpoint.id, subnet = id }
    }
  ]...)

  added_route_tables = merge([
    for name, endpoint in var.existing_endpoints : {
      for id in endpoint.route_table_ids : "${name}/${id}" => { endpoint = endpoint.id, route_table = id }
    }
  ]...)
}

resource "aws_vpc_endpoint_subnet_association" "existing" {
  for_each = local.added_subnets

  vpc_endpoint_id = each.value.endpoint
  subnet_id       = each.value.subnet
}

resource "aws_vpc_endpoint_route_table_association" "existing" {
  for_each = local.added_route_tables

  vpc_endpoint_id = each.value.endpoint
  route_table_id  = each.value.route_table
}

resource "aws_vpc_endpoint_security_group_association" "existing" {
  for_each = { for name, endpoint in var.existing_endpoints : name => endpoint if endpoint.security_group != null }

  vpc_endpoint_id   = each.value.id
  security_group_id = aws_security_group.endpoints[each.value.security_group].id
}

resource "aws_vpc_endpoint_private_dns" "existing" {
  for_each = { for name, endpoint in var.existing_endpoints : name => endpoint if endpoint.private_dns }

  vpc_endpoint_id     = each.value.id
  private_dns_enabled = true
}
