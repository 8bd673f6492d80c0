// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {LifiSwapper} from "./LifiSwapper.sol";
import {LifiTypes} from "./LifiTypes.sol";
import {TokenMoves} from "./TokenMoves.sol";

/// Sandbox stand-in for LI.FI's Executor, for ERC-20 tokens: pulls all that its caller allows, calls
/// whatever it is told to, and gives what is left to the receiver. Nothing limits whom it calls.
contract LifiExecutor is LifiSwapper {
    event LiFiTransferCompleted(
        bytes32 indexed transactionId,
        address receivingAssetId,
        address receiver,
        uint256 amount,
        uint256 timestamp
    );

    function swapAndCompleteBridgeTokens(
        bytes32 _transactionId,
        LifiTypes.SwapData[] memory _swapData,
        address _transferredAssetId,
        address payable _receiver
    ) external payable {
        if (_swapData.length == 0) {
            revert NoSwapDataProvided();
        }
        address last = _swapData[_swapData.length - 1].receivingAssetId;
        uint256 lastBefore = TokenMoves.balance(last);
        uint256 before = TokenMoves.balance(_transferredAssetId);
        TokenMoves.pull(
            _transferredAssetId,
            msg.sender,
            address(this),
            TokenMoves.allowance(_transferredAssetId, msg.sender, address(this))
        );
        uint256[] memory held = _balances(_swapData);
        for (uint256 i = 0; i < _swapData.length; i++) {
            _swap(_transactionId, _swapData[i]);
        }
        _sweep(_swapData, held, _receiver);
        uint256 left = TokenMoves.balance(_transferredAssetId);
        if (left > before) {
            TokenMoves.send(_transferredAssetId, _receiver, left - before);
        }
        uint256 got = TokenMoves.balance(last) - lastBefore;
        if (got > 0) {
            TokenMoves.send(last, _receiver, got);
        }
        emit LiFiTransferCompleted(_transactionId, _transferredAssetId, _receiver, got, block.timestamp);
    }
}
