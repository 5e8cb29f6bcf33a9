locals {
  needed_purposes = toset(concat(
    [for endpoint in values(local.interface_endpoints) : endpoint.purpose],
    [for endpoint in values(var.existing_endpoints) : endpoint.security_group if endpoint.security_group != null],
  ))

  security_groups = {
    cast-ai = {
      name        = "castai-privatelink-endpoints"
      description = "HTTPS from nodes and pods to the VPC endpoints of Cast AI"
      groups      = var.client_security_group_ids
      blocks      = var.client_cidr_blocks
    }
    # The private names of AWS services are redirected in the whole VPC, so the whole VPC may connect.
    aws = {
      name        = "castai-privatelink-aws-endpoints"
      description = "HTTPS from the VPC to the VPC endpoints of AWS services"
      groups      = var.vpc_security_group_ids
      blocks      = var.vpc_cidr_blocks
    }
  }

  rules = merge([
    for purpose, group in local.security_groups : merge(
      { for id in group.groups : "${purpose}/${id}" => { purpose = purpose, group = id, ipv4 = null, ipv6 = null } },
      {
        for block in group.blocks : "${purpose}/${block}" => {
          purpose = purpose
          group   = null
          ipv4    = strcontains(block, ":") ? null : block
          ipv6    = strcontains(block, ":") ? block : null
        }
      },
    ) if contains(local.needed_purposes, purpose)
  ]...)
}

resource "aws_security_group" "endpoints" {
  for_each = { for purpose, group in local.security_groups : purpose => group if contains(local.needed_purposes, purpose) }

  vpc_id      = var.vpc_id
  name        = each.value.name
  description = each.value.description

  tags = merge(local.tags, {
    Name                                     = each.value.name
    "privatelink.cast.ai/security-group-for" = each.key
  })

  lifecycle {
    precondition {
      condition     = length(each.value.groups) + length(each.value.blocks) > 0
      error_message = "Nothing may connect to the endpoints of ${each.key}: set client_security_group_ids or client_cidr_blocks, and vpc_cidr_blocks for those of aws."
    }
  }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each = local.rules

  security_group_id            = aws_security_group.endpoints[each.value.purpose].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = each.value.group
  cidr_ipv4                    = each.value.ipv4
  cidr_ipv6                    = each.value.ipv6
}
