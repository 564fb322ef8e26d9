"""Which operation over HTTP each call is. The messages are those of `neuais.proto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BINDINGS: Final[Mapping[str, str]] = {
    "AuthService.GetToken": "POST /v1/auth/token",
    "AgentService.ListAgents": "GET /v1/agents",
    "AgentService.GetAgent": "GET /v1/agents/{id}",
    "AgentService.CreateAgent": "POST /v1/agents",
    "AgentService.UpdateAgent": "PUT /v1/agents/{id}",
    "AgentService.DeleteAgent": "DELETE /v1/agents/{id}",
    "AgentService.StartAgent": "POST /v1/agents/{id}/start",
    "AgentService.StopAgent": "POST /v1/agents/{id}/stop",
    "AgentService.RestartAgent": "POST /v1/agents/{id}/restart",
    "AgentService.ScaleAgent": "POST /v1/agents/{id}/scale",
    "AgentService.GetLogs": "GET /v1/agents/{id}/logs",
    "AgentService.StreamLogs": "GET /v1/agents/{id}/logs?follow=true",
    "AgentService.GetMetrics": "GET /v1/agents/{id}/metrics",
    "PlatformService.ListServices": "GET /v1/services",
    "PlatformService.GetServiceStatus": "GET /v1/services/{name}/status",
    "UserService.ListUsers": "GET /v1/users",
    "UserService.GetUser": "GET /v1/users/{id}",
    "UserService.CreateUser": "POST /v1/users",
    "UserService.UpdateUser": "PUT /v1/users/{id}",
    "UserService.DeleteUser": "DELETE /v1/users/{id}",
    "BillingService.GetUsage": "GET /v1/billing/usage",
    "BillingService.ListInvoices": "GET /v1/billing/invoices",
    "BillingService.GetInvoice": "GET /v1/billing/invoices/{id}",
    "WebhookService.ListWebhooks": "GET /v1/webhooks",
    "WebhookService.GetWebhook": "GET /v1/webhooks/{id}",
    "WebhookService.CreateWebhook": "POST /v1/webhooks",
    "WebhookService.DeleteWebhook": "DELETE /v1/webhooks/{id}",
    "WebhookService.ListDeliveries": "GET /v1/webhooks/{webhook_id}/deliveries",
    "WebhookService.GetDelivery": "GET /v1/webhooks/{webhook_id}/deliveries/{id}",
    "WebhookService.Redeliver": "POST /v1/webhooks/{webhook_id}/deliveries/{id}/redeliver",
    "WebhookService.RedeliverFailed": "POST /v1/webhooks/{webhook_id}/redeliver",
}
"""`Service.Method` to `METHOD path`; names in braces are fields of the message. What a GET or DELETE has
besides goes into its query, what the others have is their body."""
