// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {TokenMoves} from "./TokenMoves.sol";

/// Sandbox stand-in for LI.FI's FeeForwarder: hands fees on and keeps nothing.
contract LifiFeeForwarder {
    struct FeeDistribution {
        address recipient;
        uint256 amount;
    }

    event FeesForwarded(address indexed token, FeeDistribution[] distributions);

    function forwardERC20Fees(address token, FeeDistribution[] calldata distributions) external {
        for (uint256 i = 0; i < distributions.length; i++) {
            TokenMoves.pull(token, msg.sender, distributions[i].recipient, distributions[i].amount);
        }
        emit FeesForwarded(token, distributions);
    }
}
