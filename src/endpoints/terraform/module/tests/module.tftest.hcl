# `terraform test` (1.7 or later), without AWS.

mock_provider "aws" {
  mock_data "aws_vpc" {
    defaults = {
      enable_dns_support   = true
      enable_dns_hostnames = true
    }
  }
}

variables {
  region                    = "us-east-1"
  vpc_id                    = "vpc-0123"
  subnet_ids                = ["subnet-0a", "subnet-0b"]
  routable_subnet_ids       = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_ids = ["sg-0a"]
}

run "every_service_of_the_region" {
  command = plan

  assert {
    condition     = length(aws_vpc_endpoint.interface) == length(local.services_of_region["us-east-1"])
    error_message = "Each service of the region needs one endpoint."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled && length(endpoint.subnet_ids) == 2])
    error_message = "Each endpoint needs private DNS and an address in each zone."
  }

  assert {
    condition     = keys(aws_security_group.endpoints) == ["cast-ai"] && keys(aws_vpc_security_group_ingress_rule.https) == ["cast-ai/sg-0a"]
    error_message = "Only the clients may connect."
  }

  assert {
    condition     = length(aws_ec2_tag.routable) == 3
    error_message = "Each subnet of nodes needs the tag."
  }
}

run "endpoints_of_aws" {
  command = plan

  variables {
    aws_service_names     = { "ecr.api" = "com.amazonaws.us-east-1.ecr.api" }
    gateway_service_names = { s3 = "com.amazonaws.us-east-1.s3" }
    route_table_ids       = ["rtb-0a"]
    vpc_cidr_blocks       = ["10.0.0.0/16", "2001:db8::/56"]
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.https["aws/10.0.0.0/16"].cidr_ipv4 == "10.0.0.0/16"
    error_message = "The whole VPC may connect to the endpoints of AWS."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.https["aws/2001:db8::/56"].cidr_ipv6 == "2001:db8::/56"
    error_message = "The whole VPC may connect to the endpoints of AWS, also with IPv6."
  }

  assert {
    condition     = aws_vpc_endpoint.gateway["s3"].vpc_endpoint_type == "Gateway"
    error_message = "S3 is reached through a gateway."
  }
}

run "endpoints_of_others" {
  command = plan

  variables {
    excluded_services  = ["telemetry"]
    existing_endpoints = { rest-api = { id = "vpce-0a", subnet_ids = ["subnet-0b"], security_group = "cast-ai", private_dns = true } }
  }

  assert {
    condition     = !contains(keys(aws_vpc_endpoint.interface), "telemetry") && !contains(keys(aws_vpc_endpoint.interface), "rest-api")
    error_message = "What exists is not created again."
  }

  assert {
    condition     = keys(aws_vpc_endpoint_subnet_association.existing) == ["rest-api/subnet-0b"] && length(aws_vpc_endpoint_private_dns.existing) == 1
    error_message = "An endpoint of others gets what it lacks."
  }
}

run "repositories" {
  command = plan

  variables {
    repositories        = ["castai-privatelink/castai/agent"]
    repository_settings = { expire_untagged_after_days = 30, pull_principals = ["arn:aws:iam::123456789012:root"] }
  }

  assert {
    condition     = length(aws_ecr_repository_policy.pull) == 1 && length(aws_ecr_lifecycle_policy.untagged) == 1
    error_message = "Each repository gets its policies."
  }
}

run "nothing_may_connect" {
  command = plan

  variables {
    client_security_group_ids = []
  }

  expect_failures = [aws_security_group.endpoints]
}

run "no_region" {
  command = plan

  variables {
    region = "US East"
  }

  expect_failures = [var.region]
}

run "private_dns_is_not_possible" {
  command = plan

  override_data {
    target = data.aws_vpc.this
    values = {
      enable_dns_support   = true
      enable_dns_hostnames = false
    }
  }

  expect_failures = [aws_vpc_endpoint.interface]
}
