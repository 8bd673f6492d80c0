// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {LifiTypes} from "./LifiTypes.sol";
import {TokenMoves} from "./TokenMoves.sol";

/// What LI.FI's Diamond and Executor have in common: one leg of a route. Whom a leg may call is for
/// the contract that uses this to say.
abstract contract LifiSwapper {
    event AssetSwapped(
        bytes32 transactionId,
        address dex,
        address fromAssetId,
        address toAssetId,
        uint256 fromAmount,
        uint256 toAmount,
        uint256 timestamp
    );

    error InvalidContract();
    error NoSwapFromZeroBalance();
    error NoSwapDataProvided();
    error InsufficientBalance(uint256 required, uint256 balance);

    function _swap(bytes32 transactionId, LifiTypes.SwapData memory leg) internal {
        if (leg.callTo.code.length == 0) {
            revert InvalidContract();
        }
        if (leg.fromAmount == 0) {
            revert NoSwapFromZeroBalance();
        }
        uint256 had = TokenMoves.balance(leg.sendingAssetId);
        uint256 before = TokenMoves.balance(leg.receivingAssetId);
        TokenMoves.allowAll(leg.sendingAssetId, leg.approveTo, leg.fromAmount);
        if (had < leg.fromAmount) {
            revert InsufficientBalance(leg.fromAmount, had);
        }
        _perform(leg.callTo, leg.callData);
        uint256 got = TokenMoves.balance(leg.receivingAssetId);
        emit AssetSwapped(
            transactionId,
            leg.callTo,
            leg.sendingAssetId,
            leg.receivingAssetId,
            leg.fromAmount,
            // After a leg that only takes, as a fee does, LI.FI announces all that is there.
            got > before ? got - before : got,
            block.timestamp
        );
    }

    /// Calls, and fails with whatever reason the call fails with.
    function _perform(address target, bytes memory data) internal {
        (bool ok, bytes memory answer) = target.call(data);
        if (!ok) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function _balances(LifiTypes.SwapData[] memory legs) internal view returns (uint256[] memory held) {
        held = new uint256[](legs.length);
        for (uint256 i = 0; i < legs.length; i++) {
            held[i] = TokenMoves.balance(legs[i].receivingAssetId);
        }
    }

    /// Gives back what passed legs left of anything but the last leg's asset.
    function _sweep(LifiTypes.SwapData[] memory legs, uint256[] memory held, address to) internal {
        address last = legs[legs.length - 1].receivingAssetId;
        for (uint256 i = 0; i + 1 < legs.length; i++) {
            address token = legs[i].receivingAssetId;
            uint256 left = TokenMoves.balance(token);
            if (token != last && left > held[i]) {
                TokenMoves.send(token, to, left - held[i]);
            }
        }
    }
}
