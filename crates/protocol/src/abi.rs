//! The contracts as Rust sees them: calls, returns, events and refusals, generated from their ABI.
//!
//! The hub's ABI is the whole law: every module behind the dispatcher, every event, every refusal, and the structs
//! they exchange (`Hub::AppOrder`, `Hub::Deal`, `Hub::Task` and so on).

#![allow(missing_docs, clippy::too_many_arguments, reason = "generated code; the contracts document it")]

use alloy_sol_types::sol;

sol! {
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract Hub {
        struct Resource { address pointer; address owner; uint256 price; }
        struct AppOrder { address app; uint256 appprice; uint256 volume; bytes32 tag; address datasetrestrict; address workerpoolrestrict; address requesterrestrict; bytes32 salt; bytes sign; }
        struct DatasetOrder { address dataset; uint256 datasetprice; uint256 volume; bytes32 tag; address apprestrict; address workerpoolrestrict; address requesterrestrict; bytes32 salt; bytes sign; }
        struct WorkerpoolOrder { address workerpool; uint256 workerpoolprice; uint256 volume; bytes32 tag; uint256 category; uint256 trust; address apprestrict; address datasetrestrict; address requesterrestrict; bytes32 salt; bytes sign; }
        struct RequestOrder { address app; uint256 appmaxprice; address dataset; uint256 datasetmaxprice; address workerpool; uint256 workerpoolmaxprice; address requester; uint256 volume; bytes32 tag; uint256 category; uint256 trust; address beneficiary; address callback; string params; bytes32 salt; bytes sign; }
        enum OrderOperation { SIGN, CLOSE }
        struct AppOrderOperation { AppOrder order; OrderOperation operation; bytes sign; }
        struct DatasetOrderOperation { DatasetOrder order; OrderOperation operation; bytes sign; }
        struct WorkerpoolOrderOperation { WorkerpoolOrder order; OrderOperation operation; bytes sign; }
        struct RequestOrderOperation { RequestOrder order; OrderOperation operation; bytes sign; }
        struct Deal { Resource app; Resource dataset; Resource workerpool; uint256 trust; uint256 category; bytes32 tag; address requester; address beneficiary; address callback; string params; uint256 startTime; uint256 botFirst; uint256 botSize; uint256 workerStake; uint256 schedulerRewardRatio; address sponsor; }
        enum TaskStatus { UNSET, ACTIVE, REVEALING, COMPLETED, FAILED }
        struct Task { TaskStatus status; bytes32 dealid; uint256 idx; uint256 timeref; uint256 contributionDeadline; uint256 revealDeadline; uint256 finalDeadline; bytes32 consensusValue; uint256 revealCounter; uint256 winnerCounter; address[] contributors; bytes32 resultDigest; bytes results; uint256 resultsTimestamp; bytes resultsCallback; }
        enum ContributionStatus { UNSET, CONTRIBUTED, PROVED, REJECTED }
        struct Contribution { ContributionStatus status; bytes32 resultHash; bytes32 resultSeal; address enclaveChallenge; uint256 weight; }
        struct Account { uint256 stake; uint256 locked; }
        struct Category { string name; string description; uint256 workClockTimeRef; }

        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);
        event Lock(address owner, uint256 amount);
        event Unlock(address owner, uint256 amount);
        event Reward(address owner, uint256 amount, bytes32 ref);
        event Seize(address owner, uint256 amount, bytes32 ref);
        event CreateCategory(uint256 catid, string name, string description, uint256 workClockTimeRef);
        event SignedAppOrder(bytes32 appHash);
        event SignedDatasetOrder(bytes32 datasetHash);
        event SignedWorkerpoolOrder(bytes32 workerpoolHash);
        event SignedRequestOrder(bytes32 requestHash);
        event ClosedAppOrder(bytes32 appHash);
        event ClosedDatasetOrder(bytes32 datasetHash);
        event ClosedWorkerpoolOrder(bytes32 workerpoolHash);
        event ClosedRequestOrder(bytes32 requestHash);
        event SchedulerNotice(address indexed workerpool, bytes32 dealid);
        event OrdersMatched(bytes32 dealid, bytes32 appHash, bytes32 datasetHash, bytes32 workerpoolHash, bytes32 requestHash, uint256 volume);
        event DealSponsored(bytes32 dealId, address sponsor);
        event TaskInitialize(bytes32 indexed taskid, address indexed workerpool);
        event TaskContribute(bytes32 indexed taskid, address indexed worker, bytes32 hash);
        event TaskConsensus(bytes32 indexed taskid, bytes32 consensus);
        event TaskReveal(bytes32 indexed taskid, address indexed worker, bytes32 digest);
        event TaskReopen(bytes32 indexed taskid);
        event TaskFinalize(bytes32 indexed taskid, bytes results);
        event TaskClaimed(bytes32 indexed taskid);
        event AccurateContribution(address indexed worker, bytes32 indexed taskid);
        event FaultyContribution(address indexed worker, bytes32 indexed taskid);

        error OperationFailed();

        function deposit(uint256 amount) external returns (bool);
        function depositFor(uint256 amount, address target) external returns (bool);
        function withdraw(uint256 amount) external returns (bool);
        function withdrawTo(uint256 amount, address target) external returns (bool);
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address recipient, uint256 amount) external returns (bool);
        function matchOrders(AppOrder apporder, DatasetOrder datasetorder, WorkerpoolOrder workerpoolorder, RequestOrder requestorder) external returns (bytes32);
        function sponsorMatchOrders(AppOrder apporder, DatasetOrder datasetorder, WorkerpoolOrder workerpoolorder, RequestOrder requestorder) external returns (bytes32);
        function manageAppOrder(AppOrderOperation operation) external;
        function manageDatasetOrder(DatasetOrderOperation operation) external;
        function manageWorkerpoolOrder(WorkerpoolOrderOperation operation) external;
        function manageRequestOrder(RequestOrderOperation operation) external;
        function verifySignature(address identity, bytes32 hash, bytes signature) external view returns (bool);
        function verifyPresignature(address identity, bytes32 hash) external view returns (bool);
        function verifyPresignatureOrSignature(address identity, bytes32 hash, bytes signature) external view returns (bool);
        function initialize(bytes32 dealid, uint256 idx) external returns (bytes32);
        function contribute(bytes32 taskid, bytes32 resultHash, bytes32 resultSeal, address enclaveChallenge, bytes enclaveSign, bytes authorizationSign) external;
        function reveal(bytes32 taskid, bytes32 resultDigest) external;
        function reopen(bytes32 taskid) external;
        function finalize(bytes32 taskid, bytes results, bytes resultsCallback) external;
        function contributeAndFinalize(bytes32 taskid, bytes32 resultDigest, bytes results, bytes resultsCallback, address enclaveChallenge, bytes enclaveSign, bytes authorizationSign) external;
        function claim(bytes32 taskid) external;
        function initializeArray(bytes32[] dealid, uint256[] idx) external returns (bool);
        function claimArray(bytes32[] taskid) external returns (bool);
        function initializeAndClaimArray(bytes32[] dealid, uint256[] idx) external returns (bool);
        function createCategory(string name, string description, uint256 workClockTimeRef) external returns (uint256);
        function viewDeal(bytes32 dealid) external view returns (Deal);
        function viewTask(bytes32 taskid) external view returns (Task);
        function viewContribution(bytes32 taskid, address worker) external view returns (Contribution);
        function viewAccount(address account) external view returns (Account);
        function viewConsumed(bytes32 id) external view returns (uint256);
        function viewPresigned(bytes32 id) external view returns (address);
        function viewScore(address worker) external view returns (uint256);
        function viewCategory(uint256 catid) external view returns (Category);
        function countCategory() external view returns (uint256);
        function resultFor(bytes32 id) external view returns (bytes);
        function balanceOf(address account) external view returns (uint256);
        function frozenOf(address account) external view returns (uint256);
        function totalSupply() external view returns (uint256);
        function token() external view returns (address);
        function appregistry() external view returns (address);
        function datasetregistry() external view returns (address);
        function workerpoolregistry() external view returns (address);
    }
}

sol! {
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract RLC {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);
        function transfer(address to, uint256 value) external returns (bool);
        function approve(address spender, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
        function approveAndCall(address spender, uint256 value, bytes data) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function totalSupply() external view returns (uint256);
    }

    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract AppRegistry {
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        function initialize(address previous) external;
        function createApp(address owner, string name, string appType, bytes multiaddr, bytes32 checksum, bytes mrenclave) external returns (address);
        function predictApp(address owner, string name, string appType, bytes multiaddr, bytes32 checksum, bytes mrenclave) external view returns (address);
        function isRegistered(address entry) external view returns (bool);
        function ownerOf(uint256 tokenId) external view returns (address);
    }

    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract DatasetRegistry {
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        function initialize(address previous) external;
        function createDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external returns (address);
        function predictDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external view returns (address);
        function isRegistered(address entry) external view returns (bool);
        function ownerOf(uint256 tokenId) external view returns (address);
    }

    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract WorkerpoolRegistry {
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        function initialize(address previous) external;
        function createWorkerpool(address owner, string description) external returns (address);
        function predictWorkerpool(address owner, string description) external view returns (address);
        function isRegistered(address entry) external view returns (bool);
        function ownerOf(uint256 tokenId) external view returns (address);
    }

    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract App {
        function owner() external view returns (address);
        function m_appName() external view returns (string);
        function m_appType() external view returns (string);
        function m_appMultiaddr() external view returns (bytes);
        function m_appChecksum() external view returns (bytes32);
        function m_appMREnclave() external view returns (bytes);
    }

    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract Dataset {
        function owner() external view returns (address);
        function m_datasetName() external view returns (string);
        function m_datasetMultiaddr() external view returns (bytes);
        function m_datasetChecksum() external view returns (bytes32);
    }

    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    contract Workerpool {
        event PolicyUpdate(uint256 oldWorkerStakeRatioPolicy, uint256 newWorkerStakeRatioPolicy, uint256 oldSchedulerRewardRatioPolicy, uint256 newSchedulerRewardRatioPolicy);
        function owner() external view returns (address);
        function m_workerpoolDescription() external view returns (string);
        function m_workerStakeRatioPolicy() external view returns (uint256);
        function m_schedulerRewardRatioPolicy() external view returns (uint256);
        function changePolicy(uint256 newWorkerStakeRatioPolicy, uint256 newSchedulerRewardRatioPolicy) external;
    }
}
