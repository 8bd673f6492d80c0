// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// A price feed with Chainlink's interface (AggregatorV3Interface), or a feed of a rollup's sequencer,
/// which says what its owner tells it to say: old, absurd and contradictory rounds too.
contract PriceFeed {
    struct Round {
        uint80 roundId;
        uint80 answeredInRound;
        int256 answer;
        uint256 startedAt;
        uint256 updatedAt;
    }

    // No constructor: the genesis block writes these.
    address public owner;
    uint8 public decimals;
    bool public silent; // refuses to answer
    string public description;
    Round private round;

    function version() external pure returns (uint256) {
        return 4;
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        require(!silent, "PriceFeed: silent");
        return (round.roundId, round.answer, round.startedAt, round.updatedAt, round.answeredInRound);
    }

    /// A new round of this moment.
    function publish(int256 answer) external {
        require(msg.sender == owner, "PriceFeed: not the owner");
        uint80 next = round.roundId + 1;
        round = Round(next, next, answer, block.timestamp, block.timestamp);
    }

    /// Any round there can be, or cannot.
    function pretend(Round calldata whatever) external {
        require(msg.sender == owner, "PriceFeed: not the owner");
        round = whatever;
    }

    /// Other decimals than the answers have, or no answers at all.
    function behave(uint8 decimals_, bool silent_) external {
        require(msg.sender == owner, "PriceFeed: not the owner");
        (decimals, silent) = (decimals_, silent_);
    }
}
