terraform {
  required_providers {
    portkey = { source = "portkey-ai/portkey" }
  }
}

variable "name" { type = string }
variable "region" { type = string }
variable "workspace_id" { type = string }

resource "portkey_integration" "anthropic" {
  name           = "Anthropic ${var.name}"
  slug           = "anthropic-${var.name}"
  ai_provider_id = "anthropic"
  key            = "sk-ant-canary-${var.name}-88ef"
}

resource "portkey_integration_workspace_access" "anthropic" {
  integration_id = portkey_integration.anthropic.slug
  workspace_id   = var.workspace_id
}

module "private" {
  source = "./private"
  name   = var.name
  region = var.region
}
