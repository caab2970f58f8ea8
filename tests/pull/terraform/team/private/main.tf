terraform {
  required_providers {
    portkey = { source = "portkey-ai/portkey" }
  }
}

variable "name" { type = string }
variable "region" { type = string }

resource "portkey_integration" "bedrock" {
  name           = "Bedrock ${var.name}"
  slug           = "bedrock-${var.name}"
  ai_provider_id = "bedrock"
  configurations = jsonencode({
    aws_auth_type         = "accessKey"
    aws_access_key_id     = "AKIACANARY${upper(replace(var.name, "-", ""))}0001"
    aws_secret_access_key = "canary/aws/${var.name}/3b7e"
    aws_region            = var.region
  })
}
