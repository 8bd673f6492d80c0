// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {AcrossMessageHandler} from "./AcrossSpokePool.sol";
import {LifiExecutor} from "./LifiExecutor.sol";
import {LifiSandbox} from "./LifiSandbox.sol";
import {LifiTypes} from "./LifiTypes.sol";
import {TokenMoves} from "./TokenMoves.sol";

/// Sandbox stand-in for LI.FI's ReceiverAcrossV4: has the Executor do what the message says with the
/// money that arrived, and if that fails for whatever reason, gives the money to the message's receiver.
contract LifiReceiverAcross is AcrossMessageHandler {
    event LiFiTransferRecovered(
        bytes32 indexed transactionId,
        address receivingAssetId,
        address receiver,
        uint256 amount,
        uint256 timestamp
    );

    error UnAuthorized();

    function handleV3AcrossMessage(address tokenSent, uint256 amount, address, bytes memory message) external {
        if (msg.sender != LifiSandbox.SPOKE_POOL) {
            revert UnAuthorized();
        }
        (bytes32 transactionId, LifiTypes.SwapData[] memory legs, address receiver) = abi.decode(
            message,
            (bytes32, LifiTypes.SwapData[], address)
        );
        TokenMoves.allow(tokenSent, LifiSandbox.EXECUTOR, amount);
        try
            LifiExecutor(LifiSandbox.EXECUTOR).swapAndCompleteBridgeTokens(
                transactionId,
                legs,
                tokenSent,
                payable(receiver)
            )
        {} catch {
            TokenMoves.send(tokenSent, receiver, amount);
            emit LiFiTransferRecovered(transactionId, tokenSent, receiver, amount, block.timestamp);
        }
        TokenMoves.allow(tokenSent, LifiSandbox.EXECUTOR, 0);
    }
}
