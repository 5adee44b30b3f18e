"""The risk governor's process: core and port, plugged together."""

from services.risk_governor.core import Governor
from services.risk_governor.port import GovernorPort
from shared.runtime.launch import launch

if __name__ == "__main__":
    launch("risk_governor", lambda settings: (Governor(settings), GovernorPort(settings)))
