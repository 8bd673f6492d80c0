// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {LifiTypes} from "./LifiTypes.sol";
import {TokenMoves} from "./TokenMoves.sol";

interface AcrossMessageHandler {
    function handleV3AcrossMessage(address tokenSent, uint256 amount, address relayer, bytes memory message) external;
}

/// Sandbox stand-in for Across' SpokePool: takes deposits on one chain and lets a relayer fill them on
/// another, with the published functions, events and limits of time. As there, a fill is believed to
/// belong to a deposit: only who is paid back afterwards depends on it. Across pays relayers and
/// refunds in bundles that other contracts vouch for; here the owner does (repay, refund).
/// Left out: native coins, slow fills, updates, and that a deposit may be reserved for one relayer at
/// first, since there is only one here.
contract AcrossSpokePool {
    event FundsDeposited(
        bytes32 inputToken,
        bytes32 outputToken,
        uint256 inputAmount,
        uint256 outputAmount,
        uint256 indexed destinationChainId,
        uint256 indexed depositId,
        uint32 quoteTimestamp,
        uint32 fillDeadline,
        uint32 exclusivityDeadline,
        bytes32 indexed depositor,
        bytes32 recipient,
        bytes32 exclusiveRelayer,
        bytes message
    );
    event FilledRelay(
        bytes32 inputToken,
        bytes32 outputToken,
        uint256 inputAmount,
        uint256 outputAmount,
        uint256 repaymentChainId,
        uint256 indexed originChainId,
        uint256 indexed depositId,
        uint32 fillDeadline,
        uint32 exclusivityDeadline,
        bytes32 exclusiveRelayer,
        bytes32 indexed relayer,
        bytes32 depositor,
        bytes32 recipient,
        bytes32 messageHash,
        Execution relayExecutionInfo
    );
    /// Not Across': who got a deposit's money back on this chain, the relayer or the depositor.
    event DepositReleased(uint256 indexed depositId, address indexed to, address token, uint256 amount);

    struct Execution {
        bytes32 updatedRecipient;
        bytes32 updatedMessageHash;
        uint256 updatedOutputAmount;
        uint8 fillType;
    }

    struct Deposit {
        address depositor;
        address token;
        uint256 amount;
    }

    error InvalidQuoteTimestamp();
    error InvalidFillDeadline();
    error ExpiredFillDeadline();
    error RelayFilled();
    error NotOwner();
    error NoSuchDeposit();

    uint32 public constant depositQuoteTimeBuffer = 3600;
    uint32 public constant fillDeadlineBuffer = 21600;
    uint32 private constant MAX_EXCLUSIVITY_PERIOD = 31536000;
    /// A sandbox's head can be older than a quote: it makes blocks when they are asked for.
    uint32 private constant CLOCK_SKEW = 60;

    // No constructor: the genesis block writes the owner.
    address public owner;
    uint256 public numberOfDeposits;
    mapping(uint256 => Deposit) public deposits;
    /// Two for filled, as in Across.
    mapping(bytes32 => uint256) public fillStatuses;

    function deposit(
        bytes32 depositor,
        bytes32 recipient,
        bytes32 inputToken,
        bytes32 outputToken,
        uint256 inputAmount,
        uint256 outputAmount,
        uint256 destinationChainId,
        bytes32 exclusiveRelayer,
        uint32 quoteTimestamp,
        uint32 fillDeadline,
        uint32 exclusivityParameter,
        bytes calldata message
    ) external payable {
        LifiTypes.RelayData memory data;
        data.depositor = depositor;
        data.recipient = recipient;
        data.inputToken = inputToken;
        data.outputToken = outputToken;
        data.inputAmount = inputAmount;
        data.outputAmount = outputAmount;
        data.exclusiveRelayer = exclusiveRelayer;
        data.fillDeadline = fillDeadline;
        data.exclusivityDeadline = exclusivityParameter;
        data.message = message;
        _deposit(data, destinationChainId, quoteTimestamp);
    }

    function fillRelay(LifiTypes.RelayData memory relayData, uint256 repaymentChainId, bytes32 repaymentAddress) external {
        if (relayData.fillDeadline < block.timestamp) {
            revert ExpiredFillDeadline();
        }
        bytes32 id = keccak256(abi.encode(relayData, block.chainid));
        if (fillStatuses[id] != 0) {
            revert RelayFilled();
        }
        fillStatuses[id] = 2;
        _announceFill(relayData, repaymentChainId, repaymentAddress);
        address token = _address(relayData.outputToken);
        address recipient = _address(relayData.recipient);
        TokenMoves.pull(token, msg.sender, recipient, relayData.outputAmount);
        if (relayData.message.length > 0 && recipient.code.length > 0) {
            AcrossMessageHandler(recipient).handleV3AcrossMessage(
                token,
                relayData.outputAmount,
                msg.sender,
                relayData.message
            );
        }
    }

    /// Gives a deposit's money to the relayer who filled it on the other chain.
    function repay(uint256 depositId) external {
        _release(depositId, msg.sender);
    }

    /// Gives a deposit's money back.
    function refund(uint256 depositId) external {
        _release(depositId, deposits[depositId].depositor);
    }

    function _deposit(LifiTypes.RelayData memory data, uint256 destinationChainId, uint32 quoteTimestamp) private {
        if (
            quoteTimestamp > block.timestamp + CLOCK_SKEW || quoteTimestamp + depositQuoteTimeBuffer < block.timestamp
        ) {
            revert InvalidQuoteTimestamp();
        }
        if (data.fillDeadline > block.timestamp + fillDeadlineBuffer) {
            revert InvalidFillDeadline();
        }
        if (data.exclusivityDeadline > 0 && data.exclusivityDeadline <= MAX_EXCLUSIVITY_PERIOD) {
            data.exclusivityDeadline += uint32(block.timestamp);
        }
        address token = _address(data.inputToken);
        data.depositId = numberOfDeposits++;
        deposits[data.depositId] = Deposit(_address(data.depositor), token, data.inputAmount);
        TokenMoves.pull(token, msg.sender, address(this), data.inputAmount);
        emit FundsDeposited(
            data.inputToken,
            data.outputToken,
            data.inputAmount,
            data.outputAmount,
            destinationChainId,
            data.depositId,
            quoteTimestamp,
            data.fillDeadline,
            data.exclusivityDeadline,
            data.depositor,
            data.recipient,
            data.exclusiveRelayer,
            data.message
        );
    }

    function _announceFill(LifiTypes.RelayData memory data, uint256 repaymentChainId, bytes32 relayer) private {
        bytes32 messageHash = data.message.length == 0 ? bytes32(0) : keccak256(data.message);
        emit FilledRelay(
            data.inputToken,
            data.outputToken,
            data.inputAmount,
            data.outputAmount,
            repaymentChainId,
            data.originChainId,
            data.depositId,
            data.fillDeadline,
            data.exclusivityDeadline,
            data.exclusiveRelayer,
            relayer,
            data.depositor,
            data.recipient,
            messageHash,
            Execution(data.recipient, messageHash, data.outputAmount, 0)
        );
    }

    function _release(uint256 depositId, address to) private {
        if (msg.sender != owner) {
            revert NotOwner();
        }
        Deposit memory d = deposits[depositId];
        if (d.amount == 0) {
            revert NoSuchDeposit();
        }
        delete deposits[depositId];
        TokenMoves.send(d.token, to, d.amount);
        emit DepositReleased(depositId, to, d.token, d.amount);
    }

    function _address(bytes32 word) private pure returns (address) {
        return address(uint160(uint256(word)));
    }
}
