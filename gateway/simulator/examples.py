"""The campaigns that the simulated account has when it is run as a command: those of `examples/leads.csv`."""

from gateway.simulator.settings import NamedCampaign

EXAMPLE_CAMPAIGNS = (
    NamedCampaign(
        "3f8e1c5a-7b42-4d19-9e06-52c4a8d1b7f3",
        "appointment-reminders",
        {"team": "clinics", "purpose": "reminders"},
    ),
    NamedCampaign(
        "0b7c3a52-6a4e-4f0e-9d57-1c2f9a2b7e10",
        "payment-reminders",
        {"team": "billing", "purpose": "reminders"},
    ),
    NamedCampaign(
        "c91d40e7-25f8-4a6b-b3d2-8f7e6a5c4b01", "fraud-alerts", {"team": "cards", "purpose": "alerts"}
    ),
)
