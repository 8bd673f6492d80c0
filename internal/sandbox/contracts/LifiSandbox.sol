// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// Where the stand-ins for LI.FI and Across are on every sandbox chain: the addresses of this project's
/// table of pinned networks, and the SpokePool's, which that table does not name.
library LifiSandbox {
    address internal constant FEE_FORWARDER = 0x5A4dB000000000000000000000000000000000Fe;
    address internal constant EXCHANGE = 0x5A4Db00000000000000000000000000000000DE0;
    address internal constant SPOKE_POOL = 0x5a4Db0000000000000000000000000000005b00E;
    address internal constant EXECUTOR = 0x5A4db00000000000000000000000000000000E7C;
}
