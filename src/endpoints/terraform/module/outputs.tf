output "endpoint_ids" {
  description = "Endpoints of this module, by short name of the service."
  value       = { for name, endpoint in merge(aws_vpc_endpoint.interface, aws_vpc_endpoint.gateway) : name => endpoint.id }
}

output "endpoint_states" {
  description = "State of each endpoint. pendingAcceptance: ask Cast AI to accept the endpoint."
  value       = { for name, endpoint in merge(aws_vpc_endpoint.interface, aws_vpc_endpoint.gateway) : name => endpoint.state }
}

output "endpoint_dns_names" {
  description = "DNS names of each interface endpoint."
  value       = { for name, endpoint in aws_vpc_endpoint.interface : name => [for entry in endpoint.dns_entry : entry.dns_name] }
}

output "security_group_ids" {
  description = "Security groups of the endpoints, by purpose: cast-ai and aws."
  value       = { for purpose, group in aws_security_group.endpoints : purpose => group.id }
}

output "repository_urls" {
  description = "Names under which the repositories are pulled from."
  value       = { for name, repository in aws_ecr_repository.images : name => repository.repository_url }
}
