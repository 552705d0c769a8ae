# The same parameters as in infra/aws/*.yaml.

variable "bucket_name" {
  type        = string
  description = "Also the beginning of the names of the roles, so at most 50 letters"
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$", var.bucket_name))
    error_message = "Small letters, digits and hyphens; no dots, for certificates of virtual hosts do not cover them."
  }
}

variable "checkpoint_days" {
  type        = number
  default     = 30
  description = "Days after which a checkpoint in flight expires; a run that pauses longer starts again"
}

variable "dropped_checkpoint_days" {
  type        = number
  default     = 1
  description = "Days for which a checkpoint that training dropped can still be brought back"
}

variable "janitor_principal" {
  type        = string
  description = "ARN of the user or role that may become the janitor"
}

variable "oidc_provider" {
  type        = string
  default     = ""
  description = "Issuer of the EKS cluster without https://, for pods as trainers (IRSA); empty without Kubernetes"
}

variable "service_account" {
  type        = string
  default     = "ssgan:ssgan-trainer"
  description = "NAMESPACE:NAME of the Kubernetes service account of the trainer"
}

variable "cluster_name" {
  type        = string
  default     = "ssgan"
  description = "cluster_name of infra/ray/cluster-aws.yaml"
}

variable "vpc" {
  type        = string
  default     = ""
  description = "Where the machines live; empty without a cluster of virtual machines, and then there is no head either"
}

variable "admin_cidr" {
  type        = string
  default     = ""
  description = "Addresses that may reach SSH, e.g. 203.0.113.7/32; everything else goes through it"
}
