"""The market-data gateway's process: core and port, plugged together."""

from services.market_data_gateway.core import Gateway
from services.market_data_gateway.port import GatewayPort
from shared.runtime.launch import launch

if __name__ == "__main__":
    launch("market_data_gateway", lambda settings: (Gateway(settings), GatewayPort(settings)))
