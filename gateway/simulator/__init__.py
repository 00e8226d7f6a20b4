"""A strict local Amazon Connect (outbound campaigns) over HTTP, for the real AWS clients.

It replaces a foreign system, so it shares no code with the gateway. `SimulatedConnect` is the account,
without I/O. `Simulator` serves it on a socket.
"""

from gateway.simulator.callers import CallerRecord, OtherCaller
from gateway.simulator.campaigns import BufferSize, CampaignState
from gateway.simulator.command import add_arguments, run
from gateway.simulator.connect import SimulatedConnect
from gateway.simulator.examples import EXAMPLE_CAMPAIGNS
from gateway.simulator.faults import Fault, FaultKind
from gateway.simulator.journal import AcceptedItem, CallRecord, Delivery, FailedItem, Journal, Statistics
from gateway.simulator.journal_file import JournalFile, read_journal
from gateway.simulator.quota import Quota
from gateway.simulator.server import Simulator
from gateway.simulator.settings import NamedCampaign, SimulatorSettings

__all__ = [
    "EXAMPLE_CAMPAIGNS",
    "AcceptedItem",
    "BufferSize",
    "CallRecord",
    "CallerRecord",
    "CampaignState",
    "Delivery",
    "FailedItem",
    "Fault",
    "FaultKind",
    "Journal",
    "JournalFile",
    "NamedCampaign",
    "OtherCaller",
    "Quota",
    "SimulatedConnect",
    "Simulator",
    "SimulatorSettings",
    "Statistics",
    "add_arguments",
    "read_journal",
    "run",
]
