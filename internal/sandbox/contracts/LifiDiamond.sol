// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {AcrossSpokePool} from "./AcrossSpokePool.sol";
import {LifiExchange} from "./LifiExchange.sol";
import {LifiFeeForwarder} from "./LifiFeeForwarder.sol";
import {LifiSandbox} from "./LifiSandbox.sol";
import {LifiSwapper} from "./LifiSwapper.sol";
import {LifiTypes} from "./LifiTypes.sol";
import {TokenMoves} from "./TokenMoves.sol";

/// Sandbox stand-in for the parts of LI.FI's Diamond that this project's routes call: AcrossFacetV4 and
/// GenericSwapFacetV3, for ERC-20 tokens. Selectors, structures, events and refusals are the published
/// ones, and so is what it does NOT look at: with a call on the destination, neither who gets the
/// money there nor which token goes into the bridge. Facets, owners, pauses and guards are left out.
contract LifiDiamond is LifiSwapper {
    event LiFiTransferStarted(LifiTypes.BridgeData bridgeData);
    event LiFiGenericSwapCompleted(
        bytes32 indexed transactionId,
        string integrator,
        string referrer,
        address receiver,
        address fromAssetId,
        address toAssetId,
        uint256 fromAmount,
        uint256 toAmount
    );

    error InformationMismatch();
    error InvalidReceiver();
    error InvalidAmount();
    error InvalidCallData();
    error CannotBridgeToSameNetwork();
    error ContractCallNotAllowed();
    error CumulativeSlippageTooHigh(uint256 minAmount, uint256 receivedAmount);
    error NativeAssetTransferFailed();

    uint256 private constant ONE = 1e18;

    /// Sends back native coins that came along: no route here needs any.
    modifier refundsNative() {
        _;
        if (msg.value > 0) {
            (bool ok, ) = msg.sender.call{value: msg.value}("");
            if (!ok) {
                revert NativeAssetTransferFailed();
            }
        }
    }

    function startBridgeTokensViaAcrossV4(
        LifiTypes.BridgeData memory _bridgeData,
        LifiTypes.AcrossV4Data memory _acrossData
    ) external payable refundsNative {
        if (_bridgeData.hasSourceSwaps) {
            revert InformationMismatch();
        }
        _validate(_bridgeData);
        TokenMoves.pull(_bridgeData.sendingAssetId, msg.sender, address(this), _bridgeData.minAmount);
        _startBridge(_bridgeData, _acrossData);
    }

    function swapAndStartBridgeTokensViaAcrossV4(
        LifiTypes.BridgeData memory _bridgeData,
        LifiTypes.SwapData[] memory _swapData,
        LifiTypes.AcrossV4Data memory _acrossData
    ) external payable refundsNative {
        if (!_bridgeData.hasSourceSwaps) {
            revert InformationMismatch();
        }
        _validate(_bridgeData);
        _bridgeData.minAmount = _depositAndSwap(_bridgeData.transactionId, _bridgeData.minAmount, _swapData);
        // What the caller wrote there is overwritten: all that the swaps left goes over the bridge.
        _acrossData.outputAmount = (_bridgeData.minAmount * _acrossData.outputAmountMultiplier) / ONE;
        _startBridge(_bridgeData, _acrossData);
    }

    function swapTokensSingleV3ERC20ToERC20(
        bytes32 _transactionId,
        string memory _integrator,
        string memory _referrer,
        address payable _receiver,
        uint256 _minAmountOut,
        LifiTypes.SwapData memory _swapData
    ) external {
        TokenMoves.pull(_swapData.sendingAssetId, msg.sender, address(this), _swapData.fromAmount);
        _exchange(_swapData, _receiver);
        uint256 got = _payOut(_swapData.receivingAssetId, _receiver, _minAmountOut);
        _announce(_transactionId, _swapData, got);
        emit LiFiGenericSwapCompleted(
            _transactionId,
            _integrator,
            _referrer,
            _receiver,
            _swapData.sendingAssetId,
            _swapData.receivingAssetId,
            _swapData.fromAmount,
            got
        );
    }

    function swapTokensMultipleV3ERC20ToERC20(
        bytes32 _transactionId,
        string memory _integrator,
        string memory _referrer,
        address payable _receiver,
        uint256 _minAmountOut,
        LifiTypes.SwapData[] memory _swapData
    ) external {
        _deposit(_swapData);
        for (uint256 i = 0; i < _swapData.length; i++) {
            LifiTypes.SwapData memory leg = _swapData[i];
            _exchange(leg, _receiver);
            _announce(_transactionId, leg, TokenMoves.balance(leg.receivingAssetId));
        }
        LifiTypes.SwapData memory first = _swapData[0];
        address last = _swapData[_swapData.length - 1].receivingAssetId;
        uint256 got = _payOut(last, _receiver, _minAmountOut);
        emit LiFiGenericSwapCompleted(
            _transactionId,
            _integrator,
            _referrer,
            _receiver,
            first.sendingAssetId,
            last,
            first.fromAmount,
            got
        );
    }

    function _validate(LifiTypes.BridgeData memory data) private view {
        if (data.receiver == address(0)) {
            revert InvalidReceiver();
        }
        if (data.minAmount == 0) {
            revert InvalidAmount();
        }
        if (data.destinationChainId == block.chainid) {
            revert CannotBridgeToSameNetwork();
        }
    }

    function _deposit(LifiTypes.SwapData[] memory legs) private {
        for (uint256 i = 0; i < legs.length; i++) {
            if (legs[i].requiresDeposit) {
                TokenMoves.pull(legs[i].sendingAssetId, msg.sender, address(this), legs[i].fromAmount);
            }
        }
    }

    /// Returns what the legs leave of the last one's asset. Leftovers go back to the caller.
    function _depositAndSwap(
        bytes32 transactionId,
        uint256 minAmount,
        LifiTypes.SwapData[] memory legs
    ) private returns (uint256 got) {
        if (legs.length == 0) {
            revert NoSwapDataProvided();
        }
        address last = legs[legs.length - 1].receivingAssetId;
        uint256 before = TokenMoves.balance(last);
        uint256[] memory held = _balances(legs);
        _deposit(legs);
        for (uint256 i = 0; i < legs.length; i++) {
            _checkAllowed(legs[i]);
            _swap(transactionId, legs[i]);
        }
        _sweep(legs, held, msg.sender);
        uint256 left = TokenMoves.balance(last);
        got = left > before ? left - before : 0;
        if (got < minAmount) {
            revert CumulativeSlippageTooHigh(minAmount, got);
        }
    }

    function _startBridge(LifiTypes.BridgeData memory data, LifiTypes.AcrossV4Data memory across) private {
        if ((across.message.length > 0) != data.hasDestinationCall) {
            revert InformationMismatch();
        }
        // With a call on the destination the money goes to a contract first, and nobody compares it.
        if (!data.hasDestinationCall && bytes32(uint256(uint160(data.receiver))) != across.receiverAddress) {
            revert InvalidReceiver();
        }
        if (across.receiverAddress == bytes32(0)) {
            revert InvalidReceiver();
        }
        if (across.refundAddress == bytes32(0)) {
            revert InvalidCallData();
        }
        TokenMoves.allowAll(data.sendingAssetId, LifiSandbox.SPOKE_POOL, data.minAmount);
        AcrossSpokePool(LifiSandbox.SPOKE_POOL).deposit(
            across.refundAddress,
            across.receiverAddress,
            across.sendingAssetId, // not compared with what was approved
            across.receivingAssetId,
            data.minAmount,
            across.outputAmount,
            data.destinationChainId,
            across.exclusiveRelayer,
            across.quoteTimestamp,
            across.fillDeadline,
            across.exclusivityParameter,
            across.message
        );
        emit LiFiTransferStarted(data);
    }

    /// One leg of GenericSwapFacetV3, which tells fee legs from exchanges by their assets and gives what
    /// an exchange left of its input to the receiver, a base unit of dust excepted.
    function _exchange(LifiTypes.SwapData memory leg, address receiver) private {
        _checkAllowed(leg);
        TokenMoves.allowAll(leg.sendingAssetId, leg.approveTo, leg.fromAmount);
        _perform(leg.callTo, leg.callData);
        if (leg.sendingAssetId != leg.receivingAssetId) {
            uint256 left = TokenMoves.balance(leg.sendingAssetId);
            if (left > 1) {
                TokenMoves.send(leg.sendingAssetId, receiver, left);
            }
        }
    }

    function _payOut(address token, address receiver, uint256 minAmountOut) private returns (uint256 got) {
        got = TokenMoves.balance(token); // whatever was here before included, as there
        if (got < minAmountOut) {
            revert CumulativeSlippageTooHigh(minAmountOut, got);
        }
        TokenMoves.send(token, receiver, got);
    }

    function _announce(bytes32 transactionId, LifiTypes.SwapData memory leg, uint256 got) private {
        emit AssetSwapped(
            transactionId,
            leg.callTo,
            leg.sendingAssetId,
            leg.receivingAssetId,
            leg.fromAmount,
            got,
            block.timestamp
        );
    }

    /// The allow-list: pairs of a contract and one of its functions.
    function _checkAllowed(LifiTypes.SwapData memory leg) private pure {
        bytes4 selector = bytes4(leg.callData);
        bool fee = leg.callTo == LifiSandbox.FEE_FORWARDER && selector == LifiFeeForwarder.forwardERC20Fees.selector;
        bool exchange = leg.callTo == LifiSandbox.EXCHANGE && selector == LifiExchange.processRoute.selector;
        if (leg.callData.length < 4 || leg.approveTo != leg.callTo || !(fee || exchange)) {
            revert ContractCallNotAllowed();
        }
    }
}
