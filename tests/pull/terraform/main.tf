terraform {
  required_providers {
    portkey = { source = "portkey-ai/portkey" }
  }
}

variable "openai_key" {
  type      = string
  sensitive = true
}

variable "internal_note" {
  type      = string
  sensitive = true
}

resource "portkey_workspace" "search" {
  name = "search"
}

resource "portkey_workspace" "support" {
  name = "support"
}

resource "portkey_integration" "main" {
  name           = "OpenAI main"
  slug           = "openai-main"
  ai_provider_id = "openai"
  key            = var.openai_key
  description    = "For all teams"
}

resource "portkey_integration" "limited" {
  name             = "OpenAI limited"
  slug             = "openai-limited"
  ai_provider_id   = "openai"
  key              = "sk-canary-limited-7d1f0c55"
  allow_all_models = false
}

resource "portkey_integration_model_access" "base" {
  for_each       = toset(["gpt-4o", "gpt-4o-mini"])
  integration_id = portkey_integration.limited.slug
  model_slug     = each.value
}

resource "portkey_integration_model_access" "tuned" {
  integration_id  = portkey_integration.limited.id
  model_slug      = "ft:gpt-4o-mini:example"
  is_custom       = true
  is_finetune     = true
  base_model_slug = "gpt-4o-mini"
  pricing_config = {
    type          = "static"
    pay_as_you_go = { request_token_price = 0.0003, response_token_price = 0.0006 }
  }
}

resource "portkey_integration" "written_only" {
  name           = "OpenAI write-only"
  slug           = "openai-write-only"
  ai_provider_id = "openai"
  key_wo         = "sk-canary-wo-19aa02be"
  key_version    = 3
}

resource "portkey_integration" "spare" {
  count          = 2
  name           = "Spare ${count.index}"
  slug           = "spare-${count.index}"
  ai_provider_id = "openai"
  key            = "sk-canary-spare-${count.index}-41c9"
  description    = var.internal_note
}

resource "portkey_integration_workspace_access" "main_search" {
  integration_id = portkey_integration.main.slug
  workspace_id   = portkey_workspace.search.id
  usage_limits   = [{ type = "cost", credit_limit = 100, alert_threshold = 80, periodic_reset = "monthly" }]
  rate_limits    = [{ type = "requests", unit = "rpm", value = 1000 }]
}

resource "portkey_integration_workspace_access" "main_support" {
  integration_id = portkey_integration.main.slug
  workspace_id   = portkey_workspace.support.id
}

module "team" {
  source       = "./team"
  for_each     = { eu = "eu-central-1", "us.west" = "us-west-2" }
  name         = replace(each.key, ".", "-")
  region       = each.value
  workspace_id = portkey_workspace.support.id
}

resource "terraform_data" "other" {
  input = var.openai_key
}

data "terraform_remote_state" "self" {
  backend = "local"
  config  = { path = "${path.module}/other.tfstate" }
}

output "key" {
  value     = var.openai_key
  sensitive = true
}
