data "aws_vpc" "this" {
  id = var.vpc_id
}

locals {
  tags = merge(var.tags, { "privatelink.cast.ai/managed-by" = "terraform" })

  named_services = merge(lookup(local.services_of_region, coalesce(var.service_region, var.region), {}), var.castai_service_names)

  # Endpoints that this module creates, with the purpose of their security group.
  interface_endpoints = {
    for name, endpoint in merge(
      { for name, service in local.named_services : name => { service_name = service, purpose = "cast-ai" } },
      { for name, service in var.aws_service_names : name => { service_name = service, purpose = "aws" } },
    ) : name => endpoint
    if !contains(var.excluded_services, name) && !contains(keys(var.existing_endpoints), name)
  }

  gateway_endpoints = {
    for name, service in var.gateway_service_names : name => service
    if !contains(var.excluded_services, name) && !contains(keys(var.existing_endpoints), name)
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = var.vpc_id
  vpc_endpoint_type   = "Interface"
  service_name        = each.value.service_name
  service_region      = each.value.purpose == "cast-ai" && var.service_region != var.region ? var.service_region : null
  subnet_ids          = try(coalescelist(var.endpoints[each.key].subnet_ids), var.subnet_ids)
  security_group_ids  = concat([aws_security_group.endpoints[each.value.purpose].id], try(var.endpoints[each.key].security_group_ids, []))
  private_dns_enabled = try(var.endpoints[each.key].private_dns_enabled, true)
  ip_address_type     = try(var.endpoints[each.key].ip_address_type, null)
  policy              = try(var.endpoints[each.key].policy, null)

  tags = merge(local.tags, { Name = "castai-privatelink-${each.key}" }, try(var.endpoints[each.key].tags, {}))

  lifecycle {
    precondition {
      condition     = data.aws_vpc.this.enable_dns_support && data.aws_vpc.this.enable_dns_hostnames
      error_message = "Private DNS needs enableDnsSupport and enableDnsHostnames of ${var.vpc_id}: turn them on where the VPC is managed."
    }

    precondition {
      condition     = length(try(coalescelist(var.endpoints[each.key].subnet_ids), var.subnet_ids)) > 0
      error_message = "The endpoint ${each.key} needs a subnet: set subnet_ids."
    }
  }
}

# AWS does not charge for gateway endpoints. They have routes instead of addresses.
resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateway_endpoints

  vpc_id            = var.vpc_id
  vpc_endpoint_type = "Gateway"
  service_name      = each.value
  route_table_ids   = try(coalescelist(var.endpoints[each.key].route_table_ids), var.route_table_ids)
  policy            = try(var.endpoints[each.key].policy, null)

  tags = merge(local.tags, { Name = "castai-privatelink-${each.key}" }, try(var.endpoints[each.key].tags, {}))
}
