"""The state of campaigns: conditions, holds, refusals, and the notices about them."""
