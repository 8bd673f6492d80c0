// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// The wallet of a sandbox exchange: a contract that pays its customers out, in native coins (token
/// zero) and tokens, at its owner's word. What arrives has no transaction of its own, and where `pay`
/// sends to stands nowhere in the transaction: it was noted in an earlier one.
contract HotWallet {
    struct Payout {
        address token;
        address to;
        uint256 amount;
    }

    // No constructor: the genesis block writes the owner.
    address public owner;
    mapping(bytes32 => Payout) public noted;

    modifier onlyOwner() {
        require(msg.sender == owner, "HotWallet: not the owner");
        _;
    }

    receive() external payable {}

    function payout(Payout calldata p) external onlyOwner {
        _send(p);
    }

    function batch(Payout[] calldata all) external onlyOwner {
        for (uint256 i = 0; i < all.length; i++) {
            _send(all[i]);
        }
    }

    function note(bytes32 id, Payout calldata p) external onlyOwner {
        noted[id] = p;
    }

    /// Pays what was noted, once.
    function pay(bytes32 id) external onlyOwner {
        Payout memory p = noted[id];
        require(p.to != address(0), "HotWallet: nothing noted");
        delete noted[id];
        _send(p);
    }

    function _send(Payout memory p) private {
        bool ok;
        bytes memory answer;
        if (p.token == address(0)) {
            (ok, ) = p.to.call{value: p.amount}("");
        } else {
            // transfer(address,uint256); some tokens return nothing.
            (ok, answer) = p.token.call(abi.encodeWithSelector(0xa9059cbb, p.to, p.amount));
            ok = ok && (answer.length == 0 || abi.decode(answer, (bool)));
        }
        require(ok, "HotWallet: not paid");
    }
}
