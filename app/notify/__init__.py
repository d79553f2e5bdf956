"""Brings alerts from Kafka to people and other systems: webhooks, Slack, mail, HubSpot and Salesforce."""
