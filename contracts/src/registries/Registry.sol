// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the three registries share: tokens, addresses, the chain of predecessors. A registry of a kind adds only how
// that kind's content is written down. Nothing here calls code of strangers, except a predecessor the owner named.

import { IEntry } from "../interfaces/IEntry.sol";
import { IEntryMaker, IRegistry } from "../interfaces/IRegistry.sol";
import { EntryCode, EntryProxy, TransientBytes } from "./EntryCode.sol";
import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { ERC721 } from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import { ERC721Enumerable } from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import { Create2 } from "@openzeppelin/contracts/utils/Create2.sol";
import { IERC165 } from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

abstract contract Registry is IRegistry, ERC721Enumerable, Ownable {
    /// @dev Transient: the code of the entry being created.
    uint256 private constant ENTRY_CODE_SLOT = uint256(keccak256("oxec.registry.entry-code"));

    /// @inheritdoc IRegistry
    address public immutable master;
    /// @inheritdoc IRegistry
    bytes32 public immutable proxyCodeHash;

    /// @inheritdoc IRegistry
    address public previous;
    /// @inheritdoc IRegistry
    bool public initialized;
    /// @inheritdoc IRegistry
    string public baseURI;

    mapping(uint256 tokenId => uint256) private _transfers;

    constructor(address owner_, address master_, string memory name_, string memory symbol_)
        ERC721(name_, symbol_)
        Ownable(owner_)
    {
        master = master_;
        proxyCodeHash = keccak256(type(EntryProxy).creationCode);
    }

    /// @inheritdoc IRegistry
    function initialize(address previous_) external onlyOwner {
        require(!initialized, AlreadyInitialized(previous));
        initialized = true;
        previous = previous_;
    }

    /// @inheritdoc IRegistry
    function setBaseURI(string calldata baseURI_) external onlyOwner {
        baseURI = baseURI_;
    }

    /// @inheritdoc IRegistry
    function setName(address nameService, string calldata name_) external view onlyOwner {
        revert NamingUnsupported(nameService, name_);
    }

    /// @inheritdoc IRegistry
    function isRegistered(address entry) external view returns (bool) {
        return _existsHere(entry) || (previous != address(0) && IRegistry(previous).isRegistered(entry));
    }

    /// @inheritdoc IRegistry
    function ownerOfEntry(address entry) external view returns (address) {
        address owner_ = _ownerOf(_tokenId(entry));
        if (owner_ != address(0) || previous == address(0) || !IRegistry(previous).isRegistered(entry)) {
            return owner_;
        }
        // Only the entry itself knows which of the predecessors is its own.
        return IEntry(entry).owner();
    }

    /// @inheritdoc IRegistry
    function epochOf(address entry) external view returns (uint256) {
        if (previous == address(0) || _existsHere(entry)) return _transfers[_tokenId(entry)];
        return IRegistry(previous).epochOf(entry);
    }

    /// @inheritdoc IRegistry
    function proxyCode() public pure returns (bytes memory) {
        return type(EntryProxy).creationCode;
    }

    /// @inheritdoc IEntryMaker
    function entryCode() external view returns (bytes memory) {
        return TransientBytes.load(ENTRY_CODE_SLOT);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(IERC165, ERC721Enumerable) returns (bool) {
        return super.supportsInterface(interfaceId);
    }

    /// @param initializer calldata of the entry's `initialize`: with the owner it makes the address
    /// @param content what the entry says of itself, packed
    function _create(address owner_, bytes memory initializer, bytes memory content) internal returns (address entry) {
        entry = _predict(owner_, initializer);
        require(!_existsHere(entry), EntryAlreadyExists(entry));

        bytes memory code = EntryCode.runtime(master, content);
        require(code.length <= EntryCode.CODE_LIMIT, ContentTooLong(code.length, EntryCode.CODE_LIMIT));

        TransientBytes.store(ENTRY_CODE_SLOT, code);
        Create2.deploy(0, _salt(owner_, initializer), proxyCode());
        TransientBytes.clear(ENTRY_CODE_SLOT);

        // Without asking the receiver: entries are created for owners who need not know of it.
        _mint(owner_, _tokenId(entry));
    }

    function _predict(address owner_, bytes memory initializer) internal view returns (address) {
        return Create2.computeAddress(_salt(owner_, initializer), proxyCodeHash);
    }

    function _salt(address owner_, bytes memory initializer) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(initializer, owner_));
    }

    function _existsHere(address entry) private view returns (bool) {
        return _ownerOf(_tokenId(entry)) != address(0);
    }

    function _tokenId(address entry) private pure returns (uint256) {
        return uint256(uint160(entry));
    }

    /// @dev Every way a token can move comes through here. A move to oneself counts: the owner asked for it.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from != address(0)) ++_transfers[tokenId];
    }

    function _baseURI() internal view override returns (string memory) {
        return baseURI;
    }
}
