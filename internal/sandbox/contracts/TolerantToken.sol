// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// Pulls ERC-20 tokens from the caller of the contract that uses it, in the way the official Request
/// proxies do: a token that returns nothing counts as a success, one that returns a single word is
/// believed, and any other answer (a reason string included) reverts without data.
library TolerantToken {
    function pull(address token, address to, uint256 amount) internal returns (bool ok) {
        if (token.code.length == 0) {
            _revertEmpty();
        }
        bytes memory answer;
        bool called;
        (called, answer) = token.call(
            abi.encodeWithSignature("transferFrom(address,address,uint256)", msg.sender, to, amount)
        );
        if (answer.length == 0) {
            ok = true;
        } else if (answer.length == 32) {
            ok = abi.decode(answer, (uint256)) != 0;
        } else {
            _revertEmpty();
        }
        require(called, "transferFrom() has been reverted");
    }

    function _revertEmpty() private pure {
        assembly {
            revert(0, 0)
        }
    }
}
