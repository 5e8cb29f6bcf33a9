variable "region" {
  description = "AWS region of the VPC."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,6}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "The region must be the name of an AWS region, such as us-east-1."
  }
}

variable "vpc_id" {
  description = "VPC of the endpoints."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-z]+$", var.vpc_id))
    error_message = "The VPC must be an id, such as vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Subnets in which endpoints get an address: one in each zone of the nodes."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "Each subnet must be an id, such as subnet-0123456789abcdef0."
  }

  validation {
    condition     = length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "A subnet is named twice."
  }
}

variable "routable_subnet_ids" {
  description = "Subnets to tag with cast.ai/routable=true: those of the nodes. If another Terraform configuration owns a subnet, set the tag there instead."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.routable_subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "Each subnet must be an id, such as subnet-0123456789abcdef0."
  }
}

variable "client_security_group_ids" {
  description = "Security groups of the nodes and pods that connect to Cast AI."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.client_security_group_ids : can(regex("^sg-[0-9a-z]+$", id))])
    error_message = "Each security group must be an id, such as sg-0123456789abcdef0."
  }
}

variable "client_cidr_blocks" {
  description = "Blocks of IPv4 or IPv6 addresses of nodes and pods whose security groups are not known."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.client_cidr_blocks : can(cidrhost(block, 0))])
    error_message = "Each block must have the form 10.0.0.0/16 or 2001:db8::/56."
  }
}

variable "service_region" {
  description = "Region of Cast AI's services, if they allow endpoints from other regions. Without it, that of the VPC."
  type        = string
  default     = null
}

variable "castai_service_names" {
  description = "Endpoint services of Cast AI by short name, besides those in services.tf or instead of them: rest-api = \"com.amazonaws.vpce.eu-west-1.vpce-svc-…\"."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in values(var.castai_service_names) : can(regex("^[a-z]+(\\.[a-z0-9-]+)+$", name))])
    error_message = "Each service must have a full name, such as com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0."
  }
}

variable "aws_service_names" {
  description = "Services of AWS that get an interface endpoint, by short name. Their private DNS redirects the names in the whole VPC."
  type        = map(string)
  default     = {}
}

variable "vpc_cidr_blocks" {
  description = "All blocks of the VPC. They may connect to the endpoints of AWS services."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.vpc_cidr_blocks : can(cidrhost(block, 0))])
    error_message = "Each block must have the form 10.0.0.0/16 or 2001:db8::/56."
  }
}

variable "vpc_security_group_ids" {
  description = "Security groups that may connect to the endpoints of AWS services besides the blocks of the VPC."
  type        = list(string)
  default     = []
}

variable "gateway_service_names" {
  description = "Services of AWS that get a gateway endpoint, by short name: s3."
  type        = map(string)
  default     = {}
}

variable "route_table_ids" {
  description = "Route tables of the nodes' and pods' subnets, for the gateway endpoints."
  type        = list(string)
  default     = []
}

variable "excluded_services" {
  description = "Short names of services for which no endpoint is created, because the VPC reaches them already."
  type        = set(string)
  default     = []
}

variable "endpoints" {
  description = "What is different for single endpoints, by short name of the service."
  type = map(object({
    subnet_ids          = optional(list(string))
    route_table_ids     = optional(list(string))
    security_group_ids  = optional(list(string), [])
    private_dns_enabled = optional(bool, true)
    ip_address_type     = optional(string)
    policy              = optional(string)
    tags                = optional(map(string), {})
  }))
  default = {}

  validation {
    condition     = alltrue([for endpoint in values(var.endpoints) : contains(["ipv4", "ipv6", "dualstack"], coalesce(endpoint.ip_address_type, "ipv4"))])
    error_message = "The address type must be ipv4, ipv6 or dualstack."
  }
}

variable "existing_endpoints" {
  description = "Endpoints that others own, by short name of the service, and what is added to them. Nothing of them is removed."
  type = map(object({
    id              = string
    subnet_ids      = optional(list(string), [])
    route_table_ids = optional(list(string), [])
    security_group  = optional(string)
    private_dns     = optional(bool, false)
  }))
  default = {}

  validation {
    condition     = alltrue([for endpoint in values(var.existing_endpoints) : contains(["cast-ai", "aws"], coalesce(endpoint.security_group, "aws"))])
    error_message = "The security group must be cast-ai or aws: one of those of this module."
  }
}

variable "repositories" {
  description = "ECR repositories for the images of Cast AI's components."
  type        = set(string)
  default     = []
}

variable "repository_settings" {
  description = "What each repository gets when it is created. pull_principals are ARNs of other accounts, users or roles that may pull; untagged images expire after the given days, or never: a workload may still use such an image by its digest."
  type = object({
    immutable_tags             = optional(bool, false)
    scan_on_push               = optional(bool, false)
    kms_key_arn                = optional(string)
    pull_principals            = optional(list(string), [])
    expire_untagged_after_days = optional(number)
  })
  default = {}
}

variable "tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = {}
}
