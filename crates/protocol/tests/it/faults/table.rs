//! What can be broken about each verb, and what the hub says to it.

#![expect(
    non_snake_case,
    reason = "errors are made of variables that are called as in the ABI"
)]

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use protocol::abi::{Hub as abi, RLC};
use protocol::contribution::{ContributionStatus, authorization_hash, hash, message_hash, seal};
use protocol::model::Refusal;
use protocol::order::salt::Policy;
use protocol::order::{MarkedSalt, Order as _, Tag};
use protocol::payment::{KITTY, Nrlc};
use protocol::result::Digest;
use protocol::task::TaskStatus;
use protocol::{DealId, TaskId};

use super::good::category;
use super::{
    Fault, Kind, LIE, NOBODY, TRUTH, World, confidential, error, initialize, nothing, number,
    without_dataset,
};
use crate::deed::{Deed, Entry};
use crate::town::{GROUP, T};

pub(super) const FAULTS: &[Fault] = &[
    // Payment.
    ("deposit", "more than the payer holds of the token", |w| {
        let sender = w.requester();
        let refusal = RLC::ERC20InsufficientBalance {
            sender,
            balance: Nrlc::rlc(500).0,
            needed: Nrlc::rlc(501).0,
        };
        let attempt = w.verb(
            sender,
            abi::depositCall {
                amount: Nrlc::rlc(501).0,
            },
        );
        (
            attempt,
            token(RLC::RLCErrors::ERC20InsufficientBalance(refusal)),
        )
    }),
    ("deposit", "the payer did not let the hub take it", |w| {
        let spender = w.town.hub.address();
        let refusal = RLC::ERC20InsufficientAllowance {
            spender,
            allowance: U256::ZERO,
            needed: U256::ONE,
        };
        let attempt = w.verb(NOBODY, abi::depositCall { amount: U256::ONE });
        (
            attempt,
            token(RLC::RLCErrors::ERC20InsufficientAllowance(refusal)),
        )
    }),
    ("depositFor", "for nobody", |w| {
        let verb = abi::depositForCall {
            amount: U256::ONE,
            target: Address::ZERO,
        };
        (w.verb(w.requester(), verb), error!(ZeroAddress {}))
    }),
    ("depositFor", "for the hub", |w| {
        let account = w.town.hub.address();
        let verb = abi::depositForCall {
            amount: U256::ONE,
            target: account,
        };
        (
            w.verb(w.requester(), verb),
            error!(AccountCannotSpend { account }),
        )
    }),
    ("depositFor", "for the kitty", |w| {
        let verb = abi::depositForCall {
            amount: U256::ONE,
            target: KITTY,
        };
        (
            w.verb(w.requester(), verb),
            error!(AccountCannotSpend { account: KITTY }),
        )
    }),
    ("depositForArray", "an amount too many", |w| {
        let verb = abi::depositForArrayCall {
            amounts: vec![U256::ONE; 3],
            targets: vec![NOBODY; 2],
        };
        (
            w.verb(w.requester(), verb),
            error!(LengthMismatch {
                left: number(3),
                right: number(2)
            }),
        )
    }),
    ("receiveApproval", "by another than the token", |w| {
        let (sender, rlc) = (w.requester(), w.rlc());
        let verb = abi::receiveApprovalCall {
            sender,
            amount: U256::ONE,
            token: rlc,
            data: Bytes::new(),
        };
        (
            w.verb(sender, verb),
            error!(NotTheToken { sender, token: rlc }),
        )
    }),
    (
        "a payment through the token",
        "a call of another verb",
        |w| {
            let data: Bytes = abi::claimCall { taskid: B256::ZERO }.abi_encode().into();
            let selector = abi::claimCall::SELECTOR.into();
            (
                w.paying_in(w.requester(), data),
                error!(UnsupportedOperation { selector }),
            )
        },
    ),
    (
        "a payment through the token",
        "three bytes of a call",
        |w| {
            let data = Bytes::copy_from_slice(&abi::matchOrdersCall::SELECTOR[..3]);
            let [a, b, c, _] = abi::matchOrdersCall::SELECTOR;
            (
                w.paying_in(w.requester(), data),
                error!(UnsupportedOperation {
                    selector: [a, b, c, 0].into()
                }),
            )
        },
    ),
    (
        "a payment through the token",
        "somebody else's request",
        |w| {
            let (caller, requester) = (w.town.sponsor.address, w.requester());
            (
                w.paying_in(caller, w.good_match()),
                error!(CallerIsNotTheRequester { caller, requester }),
            )
        },
    ),
    (
        "a payment through the token",
        "a match that cannot be read",
        |w| {
            // The requester stands where the hub looks for it, and all else is missing.
            let mut data = abi::matchOrdersCall::SELECTOR.to_vec();
            data.extend([0; 96]);
            data.extend(U256::from(128).to_be_bytes::<32>());
            data.extend([0; 192]);
            data.extend(w.requester().into_word());
            (
                w.paying_in(w.requester(), data.into()),
                error!(OperationFailed {}),
            )
        },
    ),
    ("withdraw", "more than there is", |w| {
        let account = w.requester();
        let needed = Nrlc::rlc(501).0;
        (
            w.verb(account, abi::withdrawCall { amount: needed }),
            w.broke(account, needed),
        )
    }),
    ("withdraw", "what is frozen", |w| {
        w.deal(nothing);
        let account = w.requester();
        let needed = Nrlc::rlc(500).0;
        (
            w.verb(account, abi::withdrawCall { amount: needed }),
            w.broke(account, needed),
        )
    }),
    ("withdrawTo", "to nobody", |w| {
        let verb = abi::withdrawToCall {
            amount: U256::ONE,
            target: Address::ZERO,
        };
        let refusal = RLC::ERC20InvalidReceiver {
            receiver: Address::ZERO,
        };
        (
            w.verb(w.requester(), verb),
            token(RLC::RLCErrors::ERC20InvalidReceiver(refusal)),
        )
    }),
    ("withdrawTo", "to the hub", |w| {
        let account = w.town.hub.address();
        let verb = abi::withdrawToCall {
            amount: U256::ONE,
            target: account,
        };
        (
            w.verb(w.requester(), verb),
            error!(AccountCannotSpend { account }),
        )
    }),
    ("withdrawTo", "more than there is, to the kitty", |w| {
        let verb = abi::withdrawToCall {
            amount: Nrlc::rlc(501).0,
            target: KITTY,
        };
        (
            w.verb(w.requester(), verb),
            error!(AccountCannotSpend { account: KITTY }),
        )
    }),
    ("recover", "by a stranger", |w| {
        w.by_nobody(abi::recoverCall {})
    }),
    ("recover", "of a sealed hub", |w| {
        w.fixed(abi::recoverCall {})
    }),
    ("transfer", "more than there is", |w| {
        let account = w.requester();
        let needed = Nrlc::rlc(501).0;
        (
            w.verb(
                account,
                abi::transferCall {
                    recipient: NOBODY,
                    amount: needed,
                },
            ),
            w.broke(account, needed),
        )
    }),
    ("transfer", "to nobody", |w| {
        let verb = abi::transferCall {
            recipient: Address::ZERO,
            amount: U256::ONE,
        };
        (w.verb(w.requester(), verb), error!(ZeroAddress {}))
    }),
    ("transfer", "to the hub", |w| {
        let account = w.town.hub.address();
        let verb = abi::transferCall {
            recipient: account,
            amount: U256::ONE,
        };
        (
            w.verb(w.requester(), verb),
            error!(AccountCannotSpend { account }),
        )
    }),
    ("transfer", "to the kitty", |w| {
        let verb = abi::transferCall {
            recipient: KITTY,
            amount: U256::ONE,
        };
        (
            w.verb(w.requester(), verb),
            error!(AccountCannotSpend { account: KITTY }),
        )
    }),
    ("transferFrom", "to the hub", |w| {
        w.lent(5);
        let account = w.town.hub.address();
        (
            w.spending(5, account),
            error!(AccountCannotSpend { account }),
        )
    }),
    ("transferFrom", "to the kitty", |w| {
        w.lent(5);
        (
            w.spending(5, KITTY),
            error!(AccountCannotSpend { account: KITTY }),
        )
    }),
    ("approve", "nobody", |w| {
        let verb = abi::approveCall {
            spender: Address::ZERO,
            value: U256::ONE,
        };
        (w.verb(w.requester(), verb), error!(ZeroAddress {}))
    }),
    ("increaseAllowance", "beyond what 256 bits hold", |w| {
        w.lent(1);
        let verb = abi::increaseAllowanceCall {
            spender: w.town.sponsor.address,
            added: U256::MAX,
        };
        (w.verb(w.requester(), verb), Refusal::Overflow)
    }),
    ("increaseAllowance", "of nobody", |w| {
        let verb = abi::increaseAllowanceCall {
            spender: Address::ZERO,
            added: U256::ONE,
        };
        (w.verb(w.requester(), verb), error!(ZeroAddress {}))
    }),
    ("decreaseAllowance", "of nobody", |w| {
        let verb = abi::decreaseAllowanceCall {
            spender: Address::ZERO,
            subtracted: U256::ZERO,
        };
        (w.verb(w.requester(), verb), error!(ZeroAddress {}))
    }),
    ("decreaseAllowance", "below nothing", |w| {
        w.lent(5);
        let (owner, spender) = (w.requester(), w.town.sponsor.address);
        let verb = abi::decreaseAllowanceCall {
            spender,
            subtracted: number(6),
        };
        let refusal = error!(InsufficientAllowance {
            owner,
            spender,
            allowance: number(5),
            needed: number(6)
        });
        (w.verb(owner, verb), refusal)
    }),
    ("transferFrom", "more than was allowed", |w| {
        w.lent(5);
        let (owner, spender) = (w.requester(), w.town.sponsor.address);
        let refusal = error!(InsufficientAllowance {
            owner,
            spender,
            allowance: number(5),
            needed: number(6)
        });
        (w.spending(6, NOBODY), refusal)
    }),
    ("transferFrom", "more than there is", |w| {
        w.lent(5);
        w.emptied(w.requester());
        (w.spending(5, NOBODY), w.broke(w.requester(), number(5)))
    }),
    ("transferFrom", "to nobody", |w| {
        w.lent(5);
        (w.spending(5, Address::ZERO), error!(ZeroAddress {}))
    }),
    (
        "approveAndCall",
        "of the hub's own token, to the hub",
        |w| {
            let hub = w.town.hub.address();
            let verb = abi::approveAndCallCall {
                spender: hub,
                value: U256::ONE,
                data: Bytes::new(),
            };
            (
                w.verb(w.requester(), verb),
                error!(NotTheToken {
                    sender: hub,
                    token: hub
                }),
            )
        },
    ),
    ("approveAndCall", "nobody", |w| {
        let verb = abi::approveAndCallCall {
            spender: Address::ZERO,
            value: U256::ONE,
            data: Bytes::new(),
        };
        (w.verb(w.requester(), verb), error!(ZeroAddress {}))
    }),
    ("approveAndCall", "to an account without code", |w| {
        let verb = abi::approveAndCallCall {
            spender: NOBODY,
            value: U256::ONE,
            data: Bytes::new(),
        };
        (w.verb(w.requester(), verb), Refusal::Silent)
    }),
    // Orders.
    ("manageAppOrder", "a stranger's signature", |w| {
        w.by_stranger(
            Kind::App,
            &w.town.app_owner,
            w.hash(&w.town.orders(1, 1).app),
        )
    }),
    ("manageDatasetOrder", "a stranger's signature", |w| {
        w.by_stranger(
            Kind::Dataset,
            &w.town.dataset_owner,
            w.hash(&w.town.orders(1, 1).dataset),
        )
    }),
    ("manageWorkerpoolOrder", "a stranger's signature", |w| {
        w.by_stranger(
            Kind::Workerpool,
            &w.town.scheduler,
            w.hash(&w.town.orders(1, 1).workerpool),
        )
    }),
    ("manageRequestOrder", "a stranger's signature", |w| {
        w.by_stranger(
            Kind::Request,
            &w.town.requester,
            w.hash(&w.town.orders(1, 1).request),
        )
    }),
    ("manageAppOrder", "a signature of the wrong length", |w| {
        w.misspelled(Kind::App)
    }),
    (
        "manageDatasetOrder",
        "a signature of the wrong length",
        |w| w.misspelled(Kind::Dataset),
    ),
    (
        "manageWorkerpoolOrder",
        "a signature of the wrong length",
        |w| w.misspelled(Kind::Workerpool),
    ),
    (
        "manageRequestOrder",
        "a signature of the wrong length",
        |w| w.misspelled(Kind::Request),
    ),
    ("manageAppOrder", "an app that is no contract", |w| {
        let attempt = w.by_owner(Kind::App, false, |orders| orders.app.app = NOBODY);
        (attempt, error!(AssetWithoutOwner { asset: NOBODY }))
    }),
    ("manageDatasetOrder", "a dataset that is no contract", |w| {
        let attempt = w.by_owner(Kind::Dataset, false, |orders| {
            orders.dataset.dataset = NOBODY
        });
        (attempt, error!(AssetWithoutOwner { asset: NOBODY }))
    }),
    (
        "manageWorkerpoolOrder",
        "a workerpool that is no contract",
        |w| {
            let attempt = w.by_owner(Kind::Workerpool, false, |orders| {
                orders.workerpool.workerpool = NOBODY
            });
            (attempt, error!(AssetWithoutOwner { asset: NOBODY }))
        },
    ),
    ("manageAppOrder", "closing more than can be counted", |w| {
        let attempt = w.by_owner(Kind::App, true, |orders| {
            orders.app.volume = volume_limit() + U256::ONE
        });
        (attempt, too_much())
    }),
    (
        "manageDatasetOrder",
        "closing more than can be counted",
        |w| {
            let attempt = w.by_owner(Kind::Dataset, true, |orders| {
                orders.dataset.volume = volume_limit() + U256::ONE
            });
            (attempt, too_much())
        },
    ),
    (
        "manageWorkerpoolOrder",
        "closing more than can be counted",
        |w| {
            let attempt = w.by_owner(Kind::Workerpool, true, |orders| {
                orders.workerpool.volume = volume_limit() + U256::ONE
            });
            (attempt, too_much())
        },
    ),
    (
        "manageRequestOrder",
        "closing more than can be counted",
        |w| {
            let attempt = w.by_owner(Kind::Request, true, |orders| {
                orders.request.volume = volume_limit() + U256::ONE
            });
            (attempt, too_much())
        },
    ),
    // Matching, rules 00 to 1b.
    (
        "matchOrders",
        "00, the workerpool works in another category",
        |w| {
            let attempt = w.matching(|orders| orders.workerpool.category = U256::ONE);
            (
                attempt,
                error!(CategoryMismatch {
                    requested: U256::ZERO,
                    offered: U256::ONE
                }),
            )
        },
    ),
    ("matchOrders", "01, there is no such category", |w| {
        let category = number(77);
        let attempt = w.matching(|orders| {
            (orders.workerpool.category, orders.request.category) = (category, category)
        });
        let count = U256::from(w.town.hub.categories.len());
        (attempt, error!(UnknownCategory { category, count }))
    }),
    (
        "matchOrders",
        "02, more trust than the workerpool offers",
        |w| {
            let attempt = w.matching(|orders| orders.request.trust = number(101));
            (
                attempt,
                error!(InsufficientTrust {
                    requested: number(101),
                    offered: number(100)
                }),
            )
        },
    ),
    (
        "matchOrders",
        "03, the app costs more than the request pays",
        |w| {
            let price = Nrlc::rlc(1).0 + U256::ONE;
            let attempt = w.matching(|orders| orders.app.appprice = price);
            (
                attempt,
                error!(AppOverpriced {
                    price,
                    maxPrice: Nrlc::rlc(1).0
                }),
            )
        },
    ),
    (
        "matchOrders",
        "04, the dataset costs more than the request pays",
        |w| {
            let price = Nrlc::rlc(2).0 + U256::ONE;
            let attempt = w.matching(|orders| orders.dataset.datasetprice = price);
            (
                attempt,
                error!(DatasetOverpriced {
                    price,
                    maxPrice: Nrlc::rlc(2).0
                }),
            )
        },
    ),
    (
        "matchOrders",
        "05, the workerpool costs more than the request pays",
        |w| {
            let price = Nrlc::rlc(10).0 + U256::ONE;
            let attempt = w.matching(|orders| orders.workerpool.workerpoolprice = price);
            (
                attempt,
                error!(WorkerpoolOverpriced {
                    price,
                    maxPrice: Nrlc::rlc(10).0
                }),
            )
        },
    ),
    (
        "matchOrders",
        "06, the app asks for a tag the workerpool lacks",
        |w| w.untagged(|orders| orders.app.tag = Tag::GPU.0),
    ),
    (
        "matchOrders",
        "06, the dataset asks for a tag the workerpool lacks",
        |w| w.untagged(|orders| orders.dataset.tag = Tag::GPU.0),
    ),
    (
        "matchOrders",
        "06, the request asks for a tag the workerpool lacks",
        |w| w.untagged(|orders| orders.request.tag = Tag::GPU.0),
    ),
    (
        "matchOrders",
        "07, the app was not made for an enclave",
        |w| {
            let attempt = w.matching(|orders| {
                confidential(orders);
                orders.app.tag = B256::ZERO;
            });
            (
                attempt,
                error!(AppNotConfidential {
                    tag: Tag::TEE.0,
                    appTag: B256::ZERO
                }),
            )
        },
    ),
    ("matchOrders", "10, the request names another app", |w| {
        let offered = w.town.app;
        let attempt = w.matching(|orders| orders.request.app = NOBODY);
        (
            attempt,
            error!(AppMismatch {
                requested: NOBODY,
                offered
            }),
        )
    }),
    (
        "matchOrders",
        "11, the request names another dataset",
        |w| {
            let offered = w.town.dataset;
            let attempt = w.matching(|orders| orders.request.dataset = NOBODY);
            (
                attempt,
                error!(DatasetMismatch {
                    requested: NOBODY,
                    offered
                }),
            )
        },
    ),
    (
        "matchOrders",
        "12, the request wants another workerpool",
        |w| {
            let attempt = w.matching(|orders| orders.request.workerpool = GROUP);
            (
                attempt,
                error!(WorkerpoolRestrictedByRequest {
                    restriction: GROUP,
                    account: w.town.workerpool
                }),
            )
        },
    ),
    ("matchOrders", "13, the app wants another dataset", |w| {
        let attempt = w.matching(|orders| orders.app.datasetrestrict = NOBODY);
        (
            attempt,
            error!(DatasetRestrictedByApp {
                restriction: NOBODY,
                account: w.town.dataset
            }),
        )
    }),
    ("matchOrders", "14, the app wants another workerpool", |w| {
        let attempt = w.matching(|orders| orders.app.workerpoolrestrict = NOBODY);
        (
            attempt,
            error!(WorkerpoolRestrictedByApp {
                restriction: NOBODY,
                account: w.town.workerpool
            }),
        )
    }),
    ("matchOrders", "15, the app wants another requester", |w| {
        let attempt = w.matching(|orders| orders.app.requesterrestrict = NOBODY);
        (
            attempt,
            error!(RequesterRestrictedByApp {
                restriction: NOBODY,
                account: w.requester()
            }),
        )
    }),
    ("matchOrders", "16, the dataset wants another app", |w| {
        let attempt = w.matching(|orders| orders.dataset.apprestrict = NOBODY);
        (
            attempt,
            error!(AppRestrictedByDataset {
                restriction: NOBODY,
                account: w.town.app
            }),
        )
    }),
    (
        "matchOrders",
        "17, the dataset wants another workerpool",
        |w| {
            let attempt = w.matching(|orders| orders.dataset.workerpoolrestrict = NOBODY);
            (
                attempt,
                error!(WorkerpoolRestrictedByDataset {
                    restriction: NOBODY,
                    account: w.town.workerpool
                }),
            )
        },
    ),
    (
        "matchOrders",
        "18, the dataset wants another requester",
        |w| {
            let attempt = w.matching(|orders| orders.dataset.requesterrestrict = NOBODY);
            (
                attempt,
                error!(RequesterRestrictedByDataset {
                    restriction: NOBODY,
                    account: w.requester()
                }),
            )
        },
    ),
    ("matchOrders", "19, the workerpool wants another app", |w| {
        let attempt = w.matching(|orders| orders.workerpool.apprestrict = NOBODY);
        (
            attempt,
            error!(AppRestrictedByWorkerpool {
                restriction: NOBODY,
                account: w.town.app
            }),
        )
    }),
    (
        "matchOrders",
        "1a, the workerpool wants another dataset",
        |w| {
            let attempt = w.matching(|orders| orders.workerpool.datasetrestrict = NOBODY);
            (
                attempt,
                error!(DatasetRestrictedByWorkerpool {
                    restriction: NOBODY,
                    account: w.town.dataset
                }),
            )
        },
    ),
    (
        "matchOrders",
        "1b, the workerpool wants another requester",
        |w| {
            let attempt = w.matching(|orders| orders.workerpool.requesterrestrict = NOBODY);
            (
                attempt,
                error!(RequesterRestrictedByWorkerpool {
                    restriction: NOBODY,
                    account: w.requester()
                }),
            )
        },
    ),
    // Matching, rules 20 to 60: registered, signed, something left.
    ("matchOrders", "20, the app is not registered", |w| {
        let attempt = w.matching(|orders| (orders.app.app, orders.request.app) = (NOBODY, NOBODY));
        (attempt, error!(AppNotRegistered { app: NOBODY }))
    }),
    (
        "matchOrders",
        "21, the app's order is signed by a stranger",
        |w| {
            let owner = w.town.app_owner.address;
            let orderHash = w.hash(&w.town.orders(1, 1).app);
            let sign = w.town.sponsor.sign(orderHash);
            (
                w.spoiled(|verb| verb.apporder.sign = sign),
                error!(InvalidAppOrderSignature { orderHash, owner }),
            )
        },
    ),
    ("matchOrders", "30, the dataset is not registered", |w| {
        let attempt = w
            .matching(|orders| (orders.dataset.dataset, orders.request.dataset) = (NOBODY, NOBODY));
        (attempt, error!(DatasetNotRegistered { dataset: NOBODY }))
    }),
    (
        "matchOrders",
        "31, the dataset's order is signed by a stranger",
        |w| {
            let owner = w.town.dataset_owner.address;
            let orderHash = w.hash(&w.town.orders(1, 1).dataset);
            let sign = w.town.sponsor.sign(orderHash);
            (
                w.spoiled(|verb| verb.datasetorder.sign = sign),
                error!(InvalidDatasetOrderSignature { orderHash, owner }),
            )
        },
    ),
    ("matchOrders", "40, the workerpool is not registered", |w| {
        let attempt = w.matching(|orders| orders.workerpool.workerpool = NOBODY);
        (
            attempt,
            error!(WorkerpoolNotRegistered { workerpool: NOBODY }),
        )
    }),
    (
        "matchOrders",
        "41, the workerpool's order is signed by a stranger",
        |w| {
            let owner = w.scheduler();
            let orderHash = w.hash(&w.town.orders(1, 1).workerpool);
            let sign = w.town.sponsor.sign(orderHash);
            (
                w.spoiled(|verb| verb.workerpoolorder.sign = sign),
                error!(InvalidWorkerpoolOrderSignature { orderHash, owner }),
            )
        },
    ),
    (
        "matchOrders",
        "50, the request is signed by a stranger",
        |w| {
            let requester = w.requester();
            let orderHash = w.hash(&w.town.orders(1, 1).request);
            let sign = w.town.sponsor.sign(orderHash);
            (
                w.spoiled(|verb| verb.requestorder.sign = sign),
                error!(InvalidRequestOrderSignature {
                    orderHash,
                    requester
                }),
            )
        },
    ),
    ("matchOrders", "50, the request is nobody's", |w| {
        let mut orders = w.town.orders(1, 1);
        orders.request.requester = Address::ZERO;
        let orderHash = w.hash(&orders.request);
        let attempt = w.matching(|orders| orders.request.requester = Address::ZERO);
        (
            attempt,
            error!(InvalidRequestOrderSignature {
                orderHash,
                requester: Address::ZERO
            }),
        )
    }),
    ("matchOrders", "a signature of the wrong length", |w| {
        let attempt = w.spoiled(|verb| verb.apporder.sign = Bytes::from_static(&[1; 66]));
        (
            attempt,
            error!(InvalidSignatureLength { length: number(66) }),
        )
    }),
    (
        "matchOrders",
        "a dataset's signature of the wrong length",
        |w| {
            (
                w.spoiled(|verb| verb.datasetorder.sign = Bytes::from_static(b"short")),
                error!(InvalidSignatureLength { length: number(5) }),
            )
        },
    ),
    (
        "matchOrders",
        "a requester's signature of the wrong length",
        |w| {
            (
                w.spoiled(|verb| verb.requestorder.sign = Bytes::from_static(b"short")),
                error!(InvalidSignatureLength { length: number(5) }),
            )
        },
    ),
    ("matchOrders", "no signature, and none on chain", |w| {
        let attempt = w.spoiled(|verb| verb.workerpoolorder.sign = Bytes::new());
        (
            attempt,
            error!(InvalidSignatureLength { length: U256::ZERO }),
        )
    }),
    ("matchOrders", "60, the app's order is used up", |w| {
        w.used_up(|orders| orders.app.volume = U256::ZERO, [0, 1, 1, 1])
    }),
    ("matchOrders", "60, the dataset's order is used up", |w| {
        w.used_up(|orders| orders.dataset.volume = U256::ZERO, [1, 0, 1, 1])
    }),
    (
        "matchOrders",
        "60, the workerpool's order is used up",
        |w| w.used_up(|orders| orders.workerpool.volume = U256::ZERO, [1, 1, 0, 1]),
    ),
    ("matchOrders", "60, the request is used up", |w| {
        w.used_up(|orders| orders.request.volume = U256::ZERO, [1, 1, 1, 0])
    }),
    ("matchOrders", "60, the same orders a second time", |w| {
        w.deal(nothing);
        w.used_up(nothing, [0, 0, 0, 0])
    }),
    ("matchOrders", "60, the request was closed", |w| {
        let closing = w.by_owner(Kind::Request, true, nothing);
        w.done(closing);
        w.used_up(nothing, [1, 1, 1, 0])
    }),
    (
        "matchOrders",
        "the app's order is for more than can be counted",
        |w| {
            (
                w.matching(|orders| orders.app.volume = volume_limit() + U256::ONE),
                too_much(),
            )
        },
    ),
    (
        "matchOrders",
        "the dataset's order is for more than can be counted",
        |w| {
            (
                w.matching(|orders| orders.dataset.volume = volume_limit() + U256::ONE),
                too_much(),
            )
        },
    ),
    (
        "matchOrders",
        "the workerpool's order is for more than can be counted",
        |w| {
            (
                w.matching(|orders| orders.workerpool.volume = volume_limit() + U256::ONE),
                too_much(),
            )
        },
    ),
    (
        "matchOrders",
        "the request is for more than can be counted",
        |w| {
            (
                w.matching(|orders| orders.request.volume = volume_limit() + U256::ONE),
                too_much(),
            )
        },
    ),
    // Matching, what the salts say.
    (
        "matchOrders",
        "the app's order is marked in a version nobody knows",
        |w| w.unknown(Use::Match(Kind::App), |salt| salt[4] = 2),
    ),
    (
        "matchOrders",
        "the app's order is marked with a flag nobody knows",
        |w| w.unknown(Use::Match(Kind::App), |salt| salt[5] |= 16),
    ),
    ("matchOrders", "the app's order names a policy", |w| {
        w.unknown(Use::Match(Kind::App), |salt| salt[5] |= 8)
    }),
    (
        "matchOrders",
        "the app's order has expired in this very second",
        |w| w.expired(Use::Match(Kind::App)),
    ),
    (
        "matchOrders",
        "the app's order is of an epoch its signer has left",
        |w| w.taken_back(Use::Match(Kind::App)),
    ),
    (
        "matchOrders",
        "the app's order is of an epoch its signer has not come to",
        |w| w.ahead_of_time(Use::Match(Kind::App)),
    ),
    (
        "matchOrders",
        "the app's order names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::App), B256::ZERO),
    ),
    (
        "matchOrders",
        "the app's order is marked, and names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::App), dated(w)),
    ),
    (
        "matchOrders",
        "the app's order was signed before a transfer",
        |w| w.transferred(Use::Match(Kind::App), false),
    ),
    (
        "matchOrders",
        "the app's order was signed before a transfer away and back",
        |w| w.transferred(Use::Match(Kind::App), true),
    ),
    (
        "matchOrders",
        "the dataset's order is marked in a version nobody knows",
        |w| w.unknown(Use::Match(Kind::Dataset), |salt| salt[4] = 2),
    ),
    (
        "matchOrders",
        "the dataset's order is marked with a flag nobody knows",
        |w| w.unknown(Use::Match(Kind::Dataset), |salt| salt[5] |= 16),
    ),
    ("matchOrders", "the dataset's order names a policy", |w| {
        w.unknown(Use::Match(Kind::Dataset), |salt| salt[5] |= 8)
    }),
    (
        "matchOrders",
        "the dataset's order has expired in this very second",
        |w| w.expired(Use::Match(Kind::Dataset)),
    ),
    (
        "matchOrders",
        "the dataset's order is of an epoch its signer has left",
        |w| w.taken_back(Use::Match(Kind::Dataset)),
    ),
    (
        "matchOrders",
        "the dataset's order is of an epoch its signer has not come to",
        |w| w.ahead_of_time(Use::Match(Kind::Dataset)),
    ),
    (
        "matchOrders",
        "the dataset's order names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::Dataset), B256::ZERO),
    ),
    (
        "matchOrders",
        "the dataset's order is marked, and names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::Dataset), dated(w)),
    ),
    (
        "matchOrders",
        "the dataset's order was signed before a transfer",
        |w| w.transferred(Use::Match(Kind::Dataset), false),
    ),
    (
        "matchOrders",
        "the dataset's order was signed before a transfer away and back",
        |w| w.transferred(Use::Match(Kind::Dataset), true),
    ),
    (
        "matchOrders",
        "the workerpool's order is marked in a version nobody knows",
        |w| w.unknown(Use::Match(Kind::Workerpool), |salt| salt[4] = 2),
    ),
    (
        "matchOrders",
        "the workerpool's order is marked with a flag nobody knows",
        |w| w.unknown(Use::Match(Kind::Workerpool), |salt| salt[5] |= 16),
    ),
    (
        "matchOrders",
        "the workerpool's order has expired in this very second",
        |w| w.expired(Use::Match(Kind::Workerpool)),
    ),
    (
        "matchOrders",
        "the workerpool's order is of an epoch its signer has left",
        |w| w.taken_back(Use::Match(Kind::Workerpool)),
    ),
    (
        "matchOrders",
        "the workerpool's order is of an epoch its signer has not come to",
        |w| w.ahead_of_time(Use::Match(Kind::Workerpool)),
    ),
    (
        "matchOrders",
        "the workerpool's order names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::Workerpool), B256::ZERO),
    ),
    (
        "matchOrders",
        "the workerpool's order is marked, and names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::Workerpool), dated(w)),
    ),
    (
        "matchOrders",
        "the workerpool's order was signed before a transfer",
        |w| w.transferred(Use::Match(Kind::Workerpool), false),
    ),
    (
        "matchOrders",
        "the workerpool's order was signed before a transfer away and back",
        |w| w.transferred(Use::Match(Kind::Workerpool), true),
    ),
    (
        "matchOrders",
        "the request is marked in a version nobody knows",
        |w| w.unknown(Use::Match(Kind::Request), |salt| salt[4] = 2),
    ),
    (
        "matchOrders",
        "the request is marked with a flag nobody knows",
        |w| w.unknown(Use::Match(Kind::Request), |salt| salt[5] |= 16),
    ),
    ("matchOrders", "the request names a policy", |w| {
        w.unknown(Use::Match(Kind::Request), |salt| salt[5] |= 8)
    }),
    (
        "matchOrders",
        "the request names the epoch of an asset",
        |w| w.unknown(Use::Match(Kind::Request), |salt| salt[5] |= 4),
    ),
    (
        "matchOrders",
        "the request has expired in this very second",
        |w| w.expired(Use::Match(Kind::Request)),
    ),
    (
        "matchOrders",
        "the request is of an epoch its signer has left",
        |w| w.taken_back(Use::Match(Kind::Request)),
    ),
    (
        "matchOrders",
        "the request is of an epoch its signer has not come to",
        |w| w.ahead_of_time(Use::Match(Kind::Request)),
    ),
    (
        "matchOrders",
        "the request names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::Request), B256::ZERO),
    ),
    (
        "matchOrders",
        "the request is marked, and names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Match(Kind::Request), dated(w)),
    ),
    (
        "matchOrders",
        "the workerpool asks for another stake than was signed",
        |w| w.changed(31, 1),
    ),
    (
        "matchOrders",
        "the workerpool keeps another part than was signed",
        |w| w.changed(30, 2),
    ),
    (
        "matchOrders",
        "everything at once is told by the first order, and by its expiry",
        |w| {
            let owner = w.town.app_owner.address;
            for signer in [owner, w.scheduler(), w.requester()] {
                w.raised(signer, true);
            }
            w.expired(Use::Match(Kind::App))
        },
    ),
    // Matching, what a deal has room for, and money.
    (
        "matchOrders",
        "the app's price has more than 64 bits",
        |w| {
            w.too_dear(|orders, price| {
                (orders.app.appprice, orders.request.appmaxprice) = (price, price)
            })
        },
    ),
    (
        "matchOrders",
        "the dataset's price has more than 64 bits",
        |w| {
            w.too_dear(|orders, price| {
                (orders.dataset.datasetprice, orders.request.datasetmaxprice) = (price, price)
            })
        },
    ),
    (
        "matchOrders",
        "the workerpool's price has more than 64 bits",
        |w| {
            w.too_dear(|orders, price| {
                (
                    orders.workerpool.workerpoolprice,
                    orders.request.workerpoolmaxprice,
                ) = (price, price);
            })
        },
    ),
    (
        "matchOrders",
        "a worker's stake has more than 64 bits",
        |w| {
            // A thousand per cent of a price that fits.
            let (stake_ratio, reward_ratio) = (1_000, 1);
            let policy = (
                w.call(w.scheduler()),
                Deed::Policy {
                    stake_ratio,
                    reward_ratio,
                },
            );
            w.done(policy);
            let limit = U256::from(u64::MAX);
            let attempt = w.matching(|orders| {
                (
                    orders.workerpool.workerpoolprice,
                    orders.request.workerpoolmaxprice,
                ) = (limit, limit);
            });
            (
                attempt,
                error!(PriceTooLarge {
                    price: limit * number(10),
                    limit
                }),
            )
        },
    ),
    ("matchOrders", "more trust than 32 bits hold", |w| {
        let (trust, limit) = (U256::from(1_u64 << 32), U256::from(u32::MAX));
        let attempt =
            w.matching(|orders| (orders.request.trust, orders.workerpool.trust) = (trust, trust));
        (attempt, error!(TrustTooHigh { trust, limit }))
    }),
    ("matchOrders", "more tasks than 32 bits hold", |w| {
        let (size, limit) = (U256::from(1_u64 << 32), U256::from(u32::MAX));
        let attempt = w.matching(|orders| {
            (orders.app.volume, orders.dataset.volume) = (size, size);
            (orders.workerpool.volume, orders.request.volume) = (size, size);
        });
        (
            attempt,
            error!(TooManyTasks {
                first: U256::ZERO,
                size,
                limit
            }),
        )
    }),
    (
        "matchOrders",
        "longer parameters than there is room for",
        |w| {
            let attempt = w.matching(|orders| orders.request.params = "x".repeat(24_271));
            (
                attempt,
                error!(ParamsTooLong {
                    length: number(24_271),
                    limit: number(24_270)
                }),
            )
        },
    ),
    ("matchOrders", "the requester cannot pay", |w| {
        w.emptied(w.requester());
        (w.matching(nothing), w.broke(w.requester(), Nrlc::rlc(13).0))
    }),
    ("matchOrders", "the scheduler cannot stake", |w| {
        w.emptied(w.scheduler());
        (w.matching(nothing), w.broke(w.scheduler(), Nrlc::rlc(3).0))
    }),
    ("sponsorMatchOrders", "the sponsor cannot pay", |w| {
        w.emptied(w.town.sponsor.address);
        (
            w.sponsoring(nothing),
            w.broke(w.town.sponsor.address, Nrlc::rlc(13).0),
        )
    }),
    (
        "sponsorMatchOrders",
        "a request that its requester did not sign",
        |w| {
            let mut orders = w.town.orders(1, 1);
            orders.request.requester = w.town.sponsor.address;
            let orderHash = w.hash(&orders.request);
            let requester = w.town.sponsor.address;
            let attempt = w.sponsoring(|orders| orders.request.requester = requester);
            (
                attempt,
                error!(InvalidRequestOrderSignature {
                    orderHash,
                    requester
                }),
            )
        },
    ),
    // A dataset for a deal that has none.
    (
        "assertDatasetDealCompatibility",
        "the order is used up",
        |w| {
            let mut orders = w.town.orders(1, 1);
            orders.dataset.salt = B256::repeat_byte(8);
            orders.dataset.volume = U256::ZERO;
            let orderHash = w.hash(&orders.dataset);
            let attempt = w.lending(|orders| orders.dataset.volume = U256::ZERO);
            (
                attempt,
                error!(DatasetOrderConsumed {
                    orderHash,
                    consumed: U256::ZERO,
                    volume: U256::ZERO
                }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the dataset is not registered",
        |w| {
            let attempt = w.lending(|orders| orders.dataset.dataset = NOBODY);
            (attempt, error!(DatasetNotRegistered { dataset: NOBODY }))
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the order is signed by a stranger",
        |w| {
            let deal = w.deal(without_dataset);
            let order = w.town.orders(1, 1).dataset;
            let orderHash = w.hash(&order);
            let verb = abi::assertDatasetDealCompatibilityCall {
                datasetorder: w.town.sign(order, &w.town.sponsor).into(),
                dealid: deal.0,
            };
            let owner = w.town.dataset_owner.address;
            (
                w.verb(NOBODY, verb),
                error!(InvalidDatasetOrderSignature { orderHash, owner }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "a signature of the wrong length",
        |w| {
            let deal = w.deal(without_dataset);
            let verb = abi::assertDatasetDealCompatibilityCall {
                datasetorder: w
                    .town
                    .orders(1, 1)
                    .dataset
                    .signed(Bytes::from_static(b"short"))
                    .into(),
                dealid: deal.0,
            };
            (
                w.verb(NOBODY, verb),
                error!(InvalidSignatureLength { length: number(5) }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the order is marked in a version nobody knows",
        |w| w.unknown(Use::Lend, |salt| salt[4] = 2),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order is marked with a flag nobody knows",
        |w| w.unknown(Use::Lend, |salt| salt[5] |= 16),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order names a policy",
        |w| w.unknown(Use::Lend, |salt| salt[5] |= 8),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order has expired in this very second",
        |w| w.expired(Use::Lend),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order is of an epoch its signer has left",
        |w| w.taken_back(Use::Lend),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order is of an epoch its signer has not come to",
        |w| w.ahead_of_time(Use::Lend),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Lend, B256::ZERO),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order is marked, and names no epoch of a signer who wants that",
        |w| w.unmarked(Use::Lend, dated(w)),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order was signed before a transfer",
        |w| w.transferred(Use::Lend, false),
    ),
    (
        "assertDatasetDealCompatibility",
        "the order was signed before a transfer away and back",
        |w| w.transferred(Use::Lend, true),
    ),
    (
        "assertDatasetDealCompatibility",
        "there is no such deal",
        |w| {
            (
                w.lending_to(NO_DEAL, nothing),
                error!(UnknownDeal { dealid: NO_DEAL.0 }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the deal has a dataset",
        |w| {
            let deal = w.deal(nothing);
            (
                w.lending_to(deal, nothing),
                error!(DealHasDataset {
                    dealid: deal.0,
                    dataset: w.town.dataset
                }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the dataset wants another app",
        |w| {
            let attempt = w.lending(|orders| orders.dataset.apprestrict = NOBODY);
            (
                attempt,
                error!(AppRestrictedByDataset {
                    restriction: NOBODY,
                    account: w.town.app
                }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the dataset wants another workerpool",
        |w| {
            let attempt = w.lending(|orders| orders.dataset.workerpoolrestrict = NOBODY);
            (
                attempt,
                error!(WorkerpoolRestrictedByDataset {
                    restriction: NOBODY,
                    account: w.town.workerpool
                }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the dataset wants another requester",
        |w| {
            let attempt = w.lending(|orders| orders.dataset.requesterrestrict = NOBODY);
            (
                attempt,
                error!(RequesterRestrictedByDataset {
                    restriction: NOBODY,
                    account: w.requester()
                }),
            )
        },
    ),
    (
        "assertDatasetDealCompatibility",
        "the dataset asks for a tag the deal lacks",
        |w| {
            let attempt = w.lending(|orders| orders.dataset.tag = Tag::GPU.0);
            (
                attempt,
                error!(TagNotOffered {
                    tag: Tag::GPU.0,
                    workerpoolTag: B256::ZERO
                }),
            )
        },
    ),
    // Tasks.
    ("initialize", "there is no such deal", |w| {
        (
            w.verb(NOBODY, initialize(NO_DEAL, 0)),
            error!(UnknownDeal { dealid: NO_DEAL.0 }),
        )
    }),
    ("initialize", "an index beyond the deal", |w| {
        let deal = w.deal(nothing);
        let refusal = error!(TaskIndexOutOfRange {
            dealid: deal.0,
            idx: U256::ONE,
            first: U256::ZERO,
            size: U256::ONE
        });
        (w.verb(NOBODY, initialize(deal, 1)), refusal)
    }),
    ("initialize", "a second time", |w| {
        let deal = w.deal(nothing);
        let task = w.started(deal);
        let refusal = error!(TaskAlreadyInitialized {
            taskid: task.0,
            status: TaskStatus::Active as u8
        });
        (w.verb(NOBODY, initialize(deal, 0)), refusal)
    }),
    ("initializeArray", "an index too few", |w| {
        let deal = w.deal(nothing);
        let verb = abi::initializeArrayCall {
            dealid: vec![deal.0; 2],
            idx: vec![U256::ZERO],
        };
        (
            w.verb(NOBODY, verb),
            error!(LengthMismatch {
                left: number(2),
                right: number(1)
            }),
        )
    }),
    ("initializeArray", "one of several twice", |w| {
        let deal = w.deal(nothing);
        let taskid = TaskId::derive(deal, U256::ZERO).0;
        let verb = abi::initializeArrayCall {
            dealid: vec![deal.0; 2],
            idx: vec![U256::ZERO; 2],
        };
        (
            w.verb(NOBODY, verb),
            error!(TaskAlreadyInitialized {
                taskid,
                status: TaskStatus::Active as u8
            }),
        )
    }),
    // Contributions.
    ("contribute", "to a task nobody started", |w| {
        let refusal = error!(TaskNotActive {
            taskid: NO_TASK.0,
            status: TaskStatus::Unset as u8
        });
        (w.contribution(0, NO_TASK, TRUTH, |_| {}), refusal)
    }),
    ("contribute", "after the consensus", |w| {
        let task = w.revealing(nothing);
        let refusal = error!(TaskNotActive {
            taskid: task.0,
            status: TaskStatus::Revealing as u8
        });
        (w.contribution(1, task, TRUTH, |_| {}), refusal)
    }),
    ("contribute", "in the second after the time for it", |w| {
        let task = w.task(nothing);
        let deadline = U256::from(w.town.time + 7 * T);
        w.wait(7 * T);
        let refusal = error!(ContributionDeadlineReached {
            taskid: task.0,
            deadline,
            time: deadline
        });
        (w.contribution(0, task, TRUTH, |_| {}), refusal)
    }),
    ("contribute", "a second time", |w| {
        let task = w.task(|orders| orders.request.trust = number(50));
        w.contributed(0, task, TRUTH);
        let refusal = error!(AlreadyContributed {
            taskid: task.0,
            worker: w.worker(0)
        });
        (w.contribution(0, task, LIE, |_| {}), refusal)
    }),
    (
        "contribute",
        "outside of the enclave that is asked for",
        |w| {
            let task = w.task(confidential);
            let worker = w.worker(0);
            let verb = w.town.contribution(worker, task, TRUTH, false);
            (
                w.verb(worker, verb),
                error!(EnclaveRequired { taskid: task.0 }),
            )
        },
    ),
    ("contribute", "without being sent by the scheduler", |w| {
        let task = w.task(nothing);
        let sign = w.town.sponsor.sign(task.0);
        let attempt = w.contribution(0, task, TRUTH, |verb| verb.authorizationSign = sign);
        (attempt, unauthorized(w, task, Address::ZERO, w.scheduler()))
    }),
    ("contribute", "with another worker's authorization", |w| {
        let task = w.task(nothing);
        let sign = w.town.authorization(w.worker(1), task, Address::ZERO);
        let attempt = w.contribution(0, task, TRUTH, |verb| verb.authorizationSign = sign);
        (attempt, unauthorized(w, task, Address::ZERO, w.scheduler()))
    }),
    (
        "contribute",
        "from an enclave, sent by the scheduler where a broker sends",
        |w| {
            let task = w.task(confidential);
            let broker = w.town.broker.address;
            let setting = w.by_governor(abi::setTeeBrokerCall { teebroker: broker });
            w.done(setting);
            (
                w.contribution(0, task, TRUTH, |_| {}),
                unauthorized(w, task, w.town.enclave.address, broker),
            )
        },
    ),
    (
        "contribute",
        "with an authorization of the wrong length",
        |w| {
            let task = w.task(nothing);
            let attempt = w.contribution(0, task, TRUTH, |verb| {
                verb.authorizationSign = Bytes::from_static(b"short")
            });
            (
                attempt,
                error!(InvalidSignatureLength { length: number(5) }),
            )
        },
    ),
    (
        "contribute",
        "with an authorization for another task",
        |w| {
            let task = w.task(nothing);
            let other = w.authorization(w.worker(0), NO_TASK, Address::ZERO);
            let attempt = w.contribution(0, task, TRUTH, |verb| verb.authorizationSign = other);
            (attempt, unauthorized(w, task, Address::ZERO, w.scheduler()))
        },
    ),
    (
        "contribute",
        "with an authorization for another enclave",
        |w| {
            let task = w.task(confidential);
            let other = w.authorization(w.worker(0), task, NOBODY);
            let attempt = w.contribution(0, task, TRUTH, |verb| verb.authorizationSign = other);
            let enclave = w.town.enclave.address;
            (attempt, unauthorized(w, task, enclave, w.scheduler()))
        },
    ),
    (
        "contribute",
        "with an enclave's signature of the wrong length",
        |w| {
            let task = w.task(confidential);
            let attempt = w.contribution(0, task, TRUTH, |verb| {
                verb.enclaveSign = Bytes::from_static(b"short")
            });
            (
                attempt,
                error!(InvalidSignatureLength { length: number(5) }),
            )
        },
    ),
    (
        "contribute",
        "from an enclave that signed another result",
        |w| {
            let task = w.task(confidential);
            let refusal = error!(InvalidEnclaveSignature {
                taskid: task.0,
                enclave: w.town.enclave.address
            });
            (
                w.contribution(0, task, TRUTH, |verb| verb.resultHash = hash(task, LIE)),
                refusal,
            )
        },
    ),
    ("contribute", "from an enclave that did not sign", |w| {
        let task = w.task(confidential);
        let sign = w.town.sponsor.sign(task.0);
        let refusal = error!(InvalidEnclaveSignature {
            taskid: task.0,
            enclave: w.town.enclave.address
        });
        (
            w.contribution(0, task, TRUTH, |verb| verb.enclaveSign = sign),
            refusal,
        )
    }),
    (
        "contribute",
        "from an enclave that signed another seal",
        |w| {
            let task = w.task(confidential);
            let refusal = error!(InvalidEnclaveSignature {
                taskid: task.0,
                enclave: w.town.enclave.address
            });
            (
                w.contribution(0, task, TRUTH, |verb| verb.resultSeal = B256::ZERO),
                refusal,
            )
        },
    ),
    ("contribute", "without the stake", |w| {
        let task = w.task(nothing);
        w.emptied(w.worker(0));
        (
            w.contribution(0, task, TRUTH, |_| {}),
            w.broke(w.worker(0), Nrlc::rlc(3).0),
        )
    }),
    // Reveals.
    ("reveal", "before the consensus", |w| {
        let task = w.task(|orders| orders.request.trust = number(50));
        w.contributed(0, task, TRUTH);
        let refusal = error!(TaskNotRevealing {
            taskid: task.0,
            status: TaskStatus::Active as u8
        });
        (w.reveal(0, task, TRUTH), refusal)
    }),
    ("reveal", "after the end", |w| {
        let task = w.completed();
        let refusal = error!(TaskNotRevealing {
            taskid: task.0,
            status: TaskStatus::Completed as u8
        });
        (w.reveal(0, task, TRUTH), refusal)
    }),
    (
        "reveal",
        "what was rejected when the task was reopened",
        |w| {
            let task = w.revealing(nothing);
            w.wait(2 * T);
            let attempt = w.reopening(task);
            w.done(attempt);
            w.contributed(1, task, TRUTH);
            let status = ContributionStatus::Rejected as u8;
            let refusal = error!(NothingToReveal {
                taskid: task.0,
                worker: w.worker(0),
                status
            });
            (w.reveal(0, task, TRUTH), refusal)
        },
    ),
    ("reveal", "in the second after the time for it", |w| {
        let task = w.revealing(nothing);
        let deadline = U256::from(w.town.time + 2 * T);
        w.wait(2 * T);
        let refusal = error!(RevealDeadlineReached {
            taskid: task.0,
            deadline,
            time: deadline
        });
        (w.reveal(0, task, TRUTH), refusal)
    }),
    ("reveal", "without having contributed", |w| {
        let task = w.revealing(nothing);
        let status = ContributionStatus::Unset as u8;
        let refusal = error!(NothingToReveal {
            taskid: task.0,
            worker: w.worker(1),
            status
        });
        (w.reveal(1, task, TRUTH), refusal)
    }),
    ("reveal", "a second time", |w| {
        let task = w.revealed(nothing);
        let status = ContributionStatus::Proved as u8;
        let refusal = error!(NothingToReveal {
            taskid: task.0,
            worker: w.worker(0),
            status
        });
        (w.reveal(0, task, TRUTH), refusal)
    }),
    ("reveal", "what was outvoted", |w| {
        let task = w.task(|orders| orders.request.trust = number(3));
        w.contributed(0, task, LIE);
        w.contributed(3, task, TRUTH);
        let refusal = error!(NotTheConsensus {
            taskid: task.0,
            worker: w.worker(0),
            hash: hash(task, LIE),
            consensus: hash(task, TRUTH)
        });
        (w.reveal(0, task, LIE), refusal)
    }),
    ("reveal", "another digest than was contributed", |w| {
        let task = w.revealing(nothing);
        let refusal = error!(DigestMismatch {
            taskid: task.0,
            digest: LIE.0,
            hash: hash(task, TRUTH)
        });
        (w.reveal(0, task, LIE), refusal)
    }),
    (
        "reveal",
        "what was copied, under the neighbour's seal",
        |w| {
            let task = w.task(nothing);
            let stolen = seal(w.worker(1), task, TRUTH);
            let attempt = w.contribution(0, task, TRUTH, |verb| verb.resultSeal = stolen);
            w.done(attempt);
            let refusal = error!(SealMismatch {
                taskid: task.0,
                worker: w.worker(0),
                seal: stolen
            });
            (w.reveal(0, task, TRUTH), refusal)
        },
    ),
    // Reopening.
    ("reopen", "a task that is not being revealed", |w| {
        let task = w.task(nothing);
        w.wait(2 * T);
        (
            w.reopening(task),
            error!(TaskNotRevealing {
                taskid: task.0,
                status: TaskStatus::Active as u8
            }),
        )
    }),
    ("reopen", "by another than the scheduler", |w| {
        let task = w.revealing(nothing);
        w.wait(2 * T);
        let refusal = error!(NotTheWorkerpoolOwner {
            sender: NOBODY,
            owner: w.scheduler()
        });
        (w.verb(NOBODY, abi::reopenCall { taskid: task.0 }), refusal)
    }),
    ("reopen", "in the second after the end", |w| {
        let task = w.revealing(nothing);
        let deadline = U256::from(w.town.time + 10 * T);
        w.wait(10 * T);
        (
            w.reopening(task),
            error!(FinalDeadlineReached {
                taskid: task.0,
                deadline,
                time: deadline
            }),
        )
    }),
    ("reopen", "what somebody revealed", |w| {
        let task = w.revealed(nothing);
        w.wait(2 * T);
        (
            w.reopening(task),
            error!(AlreadyRevealed {
                taskid: task.0,
                reveals: U256::ONE
            }),
        )
    }),
    ("reopen", "in the last second for reveals", |w| {
        let task = w.revealing(nothing);
        let deadline = U256::from(w.town.time + 2 * T);
        w.wait(2 * T - 1);
        let refusal = error!(RevealDeadlineAhead {
            taskid: task.0,
            deadline,
            time: deadline - U256::ONE
        });
        (w.reopening(task), refusal)
    }),
    // Results.
    ("finalize", "before the consensus", |w| {
        let task = w.task(nothing);
        let refusal = error!(TaskNotRevealing {
            taskid: task.0,
            status: TaskStatus::Active as u8
        });
        (w.finalizing(task, |_| {}), refusal)
    }),
    ("finalize", "a second time", |w| {
        let task = w.completed();
        let refusal = error!(TaskNotRevealing {
            taskid: task.0,
            status: TaskStatus::Completed as u8
        });
        (w.finalizing(task, |_| {}), refusal)
    }),
    ("finalize", "by another than the scheduler", |w| {
        let task = w.revealed(nothing);
        let (_, deed) = w.finalizing(task, |_| {});
        let refusal = error!(NotTheWorkerpoolOwner {
            sender: NOBODY,
            owner: w.scheduler()
        });
        ((w.call(NOBODY), deed), refusal)
    }),
    ("finalize", "by a worker who did not reveal", |w| {
        let task = w.task(|orders| orders.request.trust = number(3));
        w.contributed(0, task, TRUTH);
        w.contributed(3, task, TRUTH);
        let attempt = w.reveal(3, task, TRUTH);
        w.done(attempt);
        w.wait(3 * T);
        let refusal = error!(NotTheWorkerpoolOwner {
            sender: w.worker(0),
            owner: w.scheduler()
        });
        (w.finishing(task, |_| {}), refusal)
    }),
    (
        "finalize",
        "by a worker in the scheduler's last second",
        |w| {
            let task = w.revealed(nothing);
            let from = U256::from(w.town.time + 2 * T + T / 2);
            w.wait(2 * T + T / 2 - 1);
            let refusal = error!(WorkersTurnAhead {
                taskid: task.0,
                from,
                time: from - U256::ONE
            });
            (w.finishing(task, |_| {}), refusal)
        },
    ),
    ("finalize", "by a worker in the second after the end", |w| {
        let task = w.revealed(nothing);
        let deadline = U256::from(w.town.time + 10 * T);
        w.wait(10 * T);
        let refusal = error!(FinalDeadlineReached {
            taskid: task.0,
            deadline,
            time: deadline
        });
        (w.finishing(task, |_| {}), refusal)
    }),
    (
        "finalize",
        "by a worker who says where the result lies",
        |w| {
            let task = w.revealed(nothing);
            w.wait(3 * T);
            let refusal = error!(ResultsNotAllowed {
                taskid: task.0,
                length: number(2)
            });
            let results = Bytes::from_static(b"{}");
            (w.finishing(task, |verb| verb.results = results), refusal)
        },
    ),
    (
        "finalize",
        "by a worker with other data than were agreed on",
        |w| {
            let task = w.revealed(nothing);
            w.wait(3 * T);
            let data = Bytes::from_static(b"other");
            let refusal = error!(CallbackDataMismatch {
                taskid: task.0,
                dataDigest: Digest::of_callback(&data).0,
                resultDigest: TRUTH.0
            });
            (
                w.finishing(task, |verb| verb.resultsCallback = data),
                refusal,
            )
        },
    ),
    ("finalize", "in the second after the end", |w| {
        let task = w.revealed(nothing);
        let deadline = U256::from(w.town.time + 10 * T);
        w.wait(10 * T);
        (
            w.finalizing(task, |_| {}),
            error!(FinalDeadlineReached {
                taskid: task.0,
                deadline,
                time: deadline
            }),
        )
    }),
    ("finalize", "before anybody revealed, however late", |w| {
        let task = w.revealing(nothing);
        let deadline = U256::from(w.town.time + 2 * T);
        w.wait(2 * T);
        let refusal = error!(RevealsMissing {
            taskid: task.0,
            reveals: U256::ZERO,
            winners: U256::ONE,
            deadline
        });
        (w.finalizing(task, |_| {}), refusal)
    }),
    ("finalize", "before all revealed, in the time for it", |w| {
        let task = w.task(|orders| orders.request.trust = number(3));
        w.contributed(0, task, TRUTH);
        w.contributed(1, task, TRUTH);
        let attempt = w.reveal(0, task, TRUTH);
        w.done(attempt);
        let deadline = U256::from(w.town.time + 2 * T);
        w.wait(2 * T - 1);
        let refusal = error!(RevealsMissing {
            taskid: task.0,
            reveals: U256::ONE,
            winners: number(2),
            deadline
        });
        (w.finalizing(task, |_| {}), refusal)
    }),
    ("finalize", "with other data than were agreed on", |w| {
        let task = w.revealed(nothing);
        let data = Bytes::from_static(b"other");
        let refusal = error!(CallbackDataMismatch {
            taskid: task.0,
            dataDigest: Digest::of_callback(&data).0,
            resultDigest: TRUTH.0
        });
        (
            w.finalizing(task, |verb| verb.resultsCallback = data),
            refusal,
        )
    }),
    (
        "finalize",
        "without data where somebody waits for them",
        |w| {
            let task = w.revealed(|orders| orders.request.callback = GROUP);
            let dataDigest = Digest::of_callback(&Bytes::new()).0;
            let refusal = error!(CallbackDataMismatch {
                taskid: task.0,
                dataDigest,
                resultDigest: TRUTH.0
            });
            (w.finalizing(task, |_| {}), refusal)
        },
    ),
    (
        "finalize",
        "with a link longer than there is room for",
        |w| {
            let task = w.revealed(nothing);
            let attempt = w.finalizing(task, |verb| verb.results = vec![b'r'; 24_574].into());
            (
                attempt,
                error!(ResultsTooLong {
                    length: number(24_574),
                    limit: number(24_573)
                }),
            )
        },
    ),
    ("contributeAndFinalize", "a task nobody started", |w| {
        let refusal = error!(TaskNotActive {
            taskid: NO_TASK.0,
            status: TaskStatus::Unset as u8
        });
        (w.one_step(NO_TASK, |_| {}), refusal)
    }),
    ("contributeAndFinalize", "a second time", |w| {
        let task = w.task(nothing);
        let attempt = w.one_step(task, |_| {});
        w.done(attempt);
        let refusal = error!(TaskNotActive {
            taskid: task.0,
            status: TaskStatus::Completed as u8
        });
        (w.one_step(task, |_| {}), refusal)
    }),
    (
        "contributeAndFinalize",
        "in the second after the time for it",
        |w| {
            let task = w.task(nothing);
            let deadline = U256::from(w.town.time + 7 * T);
            w.wait(7 * T);
            let refusal = error!(ContributionDeadlineReached {
                taskid: task.0,
                deadline,
                time: deadline
            });
            (w.one_step(task, |_| {}), refusal)
        },
    ),
    ("contributeAndFinalize", "where somebody contributed", |w| {
        // Whom nobody revealed for, so that the task is open again.
        let task = w.revealing(nothing);
        w.wait(2 * T);
        let attempt = w.reopening(task);
        w.done(attempt);
        (
            w.one_step(task, |_| {}),
            error!(TaskHasContributions {
                taskid: task.0,
                contributions: U256::ONE
            }),
        )
    }),
    (
        "contributeAndFinalize",
        "where several have to agree",
        |w| {
            let task = w.task(|orders| orders.request.trust = number(2));
            (
                w.one_step(task, |_| {}),
                error!(TrustNotOne {
                    taskid: task.0,
                    trust: number(2)
                }),
            )
        },
    ),
    (
        "contributeAndFinalize",
        "with data of another digest",
        |w| {
            let task = w.task(nothing);
            let data = Bytes::from_static(b"other");
            let refusal = error!(CallbackDataMismatch {
                taskid: task.0,
                dataDigest: Digest::of_callback(&data).0,
                resultDigest: TRUTH.0
            });
            (
                w.one_step(task, |verb| verb.resultsCallback = data),
                refusal,
            )
        },
    ),
    (
        "contributeAndFinalize",
        "without data where somebody waits for them",
        |w| {
            let task = w.task(|orders| orders.request.callback = GROUP);
            let dataDigest = Digest::of_callback(&Bytes::new()).0;
            let refusal = error!(CallbackDataMismatch {
                taskid: task.0,
                dataDigest,
                resultDigest: TRUTH.0
            });
            (w.one_step(task, |_| {}), refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "outside of the enclave that is asked for",
        |w| {
            let task = w.task(confidential);
            let attempt = w.one_step(task, |verb| verb.enclaveChallenge = Address::ZERO);
            (attempt, error!(EnclaveRequired { taskid: task.0 }))
        },
    ),
    (
        "contributeAndFinalize",
        "without being sent by the scheduler",
        |w| {
            let task = w.task(nothing);
            let sign = w.town.sponsor.sign(task.0);
            let attempt = w.one_step(task, |verb| verb.authorizationSign = sign);
            (attempt, unauthorized(w, task, Address::ZERO, w.scheduler()))
        },
    ),
    (
        "contributeAndFinalize",
        "with another worker's authorization",
        |w| {
            let task = w.task(nothing);
            let sign = w.town.authorization(w.worker(1), task, Address::ZERO);
            let attempt = w.one_step(task, |verb| verb.authorizationSign = sign);
            (attempt, unauthorized(w, task, Address::ZERO, w.scheduler()))
        },
    ),
    (
        "contributeAndFinalize",
        "with an authorization for another task",
        |w| {
            let task = w.task(nothing);
            let other = w.authorization(w.worker(0), NO_TASK, Address::ZERO);
            let attempt = w.one_step(task, |verb| verb.authorizationSign = other);
            (attempt, unauthorized(w, task, Address::ZERO, w.scheduler()))
        },
    ),
    (
        "contributeAndFinalize",
        "with an authorization for another enclave",
        |w| {
            let task = w.task(confidential);
            let other = w.authorization(w.worker(0), task, NOBODY);
            let attempt = w.one_step(task, |verb| verb.authorizationSign = other);
            let enclave = w.town.enclave.address;
            (attempt, unauthorized(w, task, enclave, w.scheduler()))
        },
    ),
    (
        "contributeAndFinalize",
        "from an enclave, sent by the scheduler where a broker sends",
        |w| {
            let task = w.task(confidential);
            let broker = w.town.broker.address;
            let setting = w.by_governor(abi::setTeeBrokerCall { teebroker: broker });
            w.done(setting);
            let enclave = w.town.enclave.address;
            (
                w.one_step(task, |_| {}),
                unauthorized(w, task, enclave, broker),
            )
        },
    ),
    (
        "contributeAndFinalize",
        "with an enclave's signature of the wrong length",
        |w| {
            let task = w.task(confidential);
            let attempt = w.one_step(task, |verb| verb.enclaveSign = Bytes::from_static(b"short"));
            (
                attempt,
                error!(InvalidSignatureLength { length: number(5) }),
            )
        },
    ),
    (
        "contributeAndFinalize",
        "from an enclave that signed another result",
        |w| {
            let task = w.task(confidential);
            let refusal = error!(InvalidEnclaveSignature {
                taskid: task.0,
                enclave: w.town.enclave.address
            });
            (w.one_step(task, |verb| verb.resultDigest = LIE.0), refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "with an authorization of the wrong length",
        |w| {
            let task = w.task(nothing);
            let attempt = w.one_step(task, |verb| verb.authorizationSign = Bytes::new());
            (
                attempt,
                error!(InvalidSignatureLength { length: U256::ZERO }),
            )
        },
    ),
    (
        "contributeAndFinalize",
        "from an enclave that did not sign",
        |w| {
            let task = w.task(confidential);
            let sign = w.town.sponsor.sign(task.0);
            let refusal = error!(InvalidEnclaveSignature {
                taskid: task.0,
                enclave: w.town.enclave.address
            });
            (w.one_step(task, |verb| verb.enclaveSign = sign), refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "with a link longer than there is room for",
        |w| {
            let task = w.task(nothing);
            let attempt = w.one_step(task, |verb| verb.results = vec![b'r'; 24_574].into());
            (
                attempt,
                error!(ResultsTooLong {
                    length: number(24_574),
                    limit: number(24_573)
                }),
            )
        },
    ),
    ("resultFor", "before there is one", |w| {
        let task = w.revealed(nothing);
        (
            w.verb(NOBODY, abi::resultForCall { id: task.0 }),
            error!(TaskPending { taskid: task.0 }),
        )
    }),
    // Giving up.
    ("abandon", "there is no such deal", |w| {
        (
            w.abandoning(NO_DEAL, 0),
            error!(UnknownDeal { dealid: NO_DEAL.0 }),
        )
    }),
    ("abandon", "by another than the scheduler", |w| {
        let deal = w.deal(nothing);
        let (_, deed) = w.abandoning(deal, 0);
        let sender = w.requester();
        let refusal = error!(NotTheWorkerpoolOwner {
            sender,
            owner: w.scheduler()
        });
        ((w.call(sender), deed), refusal)
    }),
    ("abandon", "by who owns the workerpool by now", |w| {
        let deal = w.deal(nothing);
        let (_, deed) = w.abandoning(deal, 0);
        let sender = w.town.sponsor.address;
        w.handed_over(Entry::Workerpool, sender);
        let refusal = error!(NotTheWorkerpoolOwner {
            sender,
            owner: w.scheduler()
        });
        ((w.call(sender), deed), refusal)
    }),
    ("abandon", "an index beyond the deal", |w| {
        let deal = w.deal(nothing);
        let refusal = error!(TaskIndexOutOfRange {
            dealid: deal.0,
            idx: U256::ONE,
            first: U256::ZERO,
            size: U256::ONE
        });
        (w.abandoning(deal, 1), refusal)
    }),
    ("abandon", "after the consensus", |w| {
        let task = w.revealing(nothing);
        let deal = w.town.hub.task(task).deal;
        let refusal = error!(TaskNotActive {
            taskid: task.0,
            status: TaskStatus::Revealing as u8
        });
        (w.abandoning(deal, 0), refusal)
    }),
    ("abandon", "what is finished", |w| {
        let task = w.completed();
        let deal = w.town.hub.task(task).deal;
        let refusal = error!(TaskNotActive {
            taskid: task.0,
            status: TaskStatus::Completed as u8
        });
        (w.abandoning(deal, 0), refusal)
    }),
    ("abandon", "a second time", |w| {
        let deal = w.deal(nothing);
        let attempt = w.abandoning(deal, 0);
        w.done(attempt);
        let refusal = error!(TaskNotActive {
            taskid: TaskId::derive(deal, U256::ZERO).0,
            status: TaskStatus::Failed as u8
        });
        (w.abandoning(deal, 0), refusal)
    }),
    ("abandon", "in the second after contributions", |w| {
        let task = w.task(nothing);
        let deal = w.town.hub.task(task).deal;
        let deadline = U256::from(w.town.time + 7 * T);
        w.wait(7 * T);
        let refusal = error!(ContributionDeadlineReached {
            taskid: task.0,
            deadline,
            time: deadline
        });
        (w.abandoning(deal, 0), refusal)
    }),
    (
        "abandon",
        "what nobody started, in the second after contributions",
        |w| {
            let deal = w.deal(nothing);
            let deadline = U256::from(w.town.time + 7 * T);
            w.wait(7 * T);
            let refusal = error!(ContributionDeadlineReached {
                taskid: TaskId::derive(deal, U256::ZERO).0,
                deadline,
                time: deadline
            });
            (w.abandoning(deal, 0), refusal)
        },
    ),
    ("abandonArray", "an index too few", |w| {
        let deal = w.deal(nothing);
        let verb = abi::abandonArrayCall {
            dealid: vec![deal.0; 2],
            idx: vec![U256::ZERO],
        };
        let refusal = error!(LengthMismatch {
            left: number(2),
            right: U256::ONE
        });
        (w.verb(w.scheduler(), verb), refusal)
    }),
    ("abandonArray", "one of several twice", |w| {
        let deal = w.deal(nothing);
        let verb = abi::abandonArrayCall {
            dealid: vec![deal.0; 2],
            idx: vec![U256::ZERO; 2],
        };
        let refusal = error!(TaskNotActive {
            taskid: TaskId::derive(deal, U256::ZERO).0,
            status: TaskStatus::Failed as u8
        });
        (w.verb(w.scheduler(), verb), refusal)
    }),
    ("contribute", "to a task that was given up", |w| {
        let task = w.task(nothing);
        let attempt = w.abandoning(w.town.hub.task(task).deal, 0);
        w.done(attempt);
        let refusal = error!(TaskNotActive {
            taskid: task.0,
            status: TaskStatus::Failed as u8
        });
        (w.contribution(0, task, TRUTH, |_| {}), refusal)
    }),
    ("claim", "what was given up", |w| {
        let task = w.task(nothing);
        let attempt = w.abandoning(w.town.hub.task(task).deal, 0);
        w.done(attempt);
        w.wait(10 * T);
        let refusal = error!(TaskNotClaimable {
            taskid: task.0,
            status: TaskStatus::Failed as u8
        });
        (w.claiming(task), refusal)
    }),
    ("claimDeal", "there is no such deal", |w| {
        (
            w.claiming_deal(NO_DEAL, 0),
            error!(UnknownDeal { dealid: NO_DEAL.0 }),
        )
    }),
    ("claimDeal", "from beyond the deal", |w| {
        let deal = w.deal(nothing);
        w.wait(10 * T);
        let refusal = error!(TaskIndexOutOfRange {
            dealid: deal.0,
            idx: U256::ONE,
            first: U256::ZERO,
            size: U256::ONE
        });
        (w.claiming_deal(deal, 1), refusal)
    }),
    ("claimDeal", "in the last second", |w| {
        let deal = w.deal(nothing);
        let end = U256::from(w.town.time + 10 * T);
        w.wait(10 * T - 1);
        let refusal = error!(DealNotOver {
            dealid: deal.0,
            end,
            time: end - U256::ONE
        });
        (w.claiming_deal(deal, 0), refusal)
    }),
    ("claim", "a task nobody started", |w| {
        w.wait(10 * T);
        let refusal = error!(TaskNotClaimable {
            taskid: NO_TASK.0,
            status: TaskStatus::Unset as u8
        });
        (w.claiming(NO_TASK), refusal)
    }),
    ("claim", "in the last second", |w| {
        let task = w.task(nothing);
        let deadline = U256::from(w.town.time + 10 * T);
        w.wait(10 * T - 1);
        (
            w.claiming(task),
            error!(FinalDeadlineAhead {
                taskid: task.0,
                deadline,
                time: deadline - U256::ONE
            }),
        )
    }),
    ("claim", "what waits for reveals, in the last second", |w| {
        let task = w.revealing(nothing);
        let deadline = U256::from(w.town.time + 10 * T);
        w.wait(10 * T - 1);
        (
            w.claiming(task),
            error!(FinalDeadlineAhead {
                taskid: task.0,
                deadline,
                time: deadline - U256::ONE
            }),
        )
    }),
    ("claim", "what is finished", |w| {
        let task = w.completed();
        w.wait(10 * T);
        let refusal = error!(TaskNotClaimable {
            taskid: task.0,
            status: TaskStatus::Completed as u8
        });
        (w.claiming(task), refusal)
    }),
    ("claim", "a second time", |w| {
        let task = w.task(nothing);
        w.wait(10 * T);
        let attempt = w.claiming(task);
        w.done(attempt);
        let refusal = error!(TaskNotClaimable {
            taskid: task.0,
            status: TaskStatus::Failed as u8
        });
        (w.claiming(task), refusal)
    }),
    ("claimArray", "one of several twice", |w| {
        let task = w.task(nothing);
        w.wait(10 * T);
        let refusal = error!(TaskNotClaimable {
            taskid: task.0,
            status: TaskStatus::Failed as u8
        });
        (
            w.verb(
                NOBODY,
                abi::claimArrayCall {
                    taskid: vec![task.0; 2],
                },
            ),
            refusal,
        )
    }),
    ("initializeAndClaimArray", "an index too few", |w| {
        let deal = w.deal(nothing);
        w.wait(10 * T);
        let verb = abi::initializeAndClaimArrayCall {
            dealid: vec![deal.0],
            idx: vec![],
        };
        (
            w.verb(NOBODY, verb),
            error!(LengthMismatch {
                left: U256::ONE,
                right: U256::ZERO
            }),
        )
    }),
    ("initializeAndClaimArray", "in the last second", |w| {
        let deal = w.deal(nothing);
        let taskid = TaskId::derive(deal, U256::ZERO).0;
        let deadline = U256::from(w.town.time + 10 * T);
        w.wait(10 * T - 1);
        let verb = abi::initializeAndClaimArrayCall {
            dealid: vec![deal.0],
            idx: vec![U256::ZERO],
        };
        (
            w.verb(NOBODY, verb),
            error!(FinalDeadlineAhead {
                taskid,
                deadline,
                time: deadline - U256::ONE
            }),
        )
    }),
    ("initializeAndClaimArray", "what was started before", |w| {
        let deal = w.deal(nothing);
        let task = w.started(deal);
        w.wait(10 * T);
        let verb = abi::initializeAndClaimArrayCall {
            dealid: vec![deal.0],
            idx: vec![U256::ZERO],
        };
        let refusal = error!(TaskAlreadyInitialized {
            taskid: task.0,
            status: TaskStatus::Active as u8
        });
        (w.verb(NOBODY, verb), refusal)
    }),
    // Governance.
    ("configure", "by a stranger", |w| w.by_nobody(configure())),
    ("configure", "a second time", |w| {
        (w.by_governor(configure()), error!(AlreadyConfigured {}))
    }),
    ("changeRegistries", "by a stranger", |w| {
        w.by_nobody(abi::changeRegistriesCall {
            appregistry: NOBODY,
            datasetregistry: NOBODY,
            workerpoolregistry: NOBODY,
        })
    }),
    ("createCategory", "by a stranger", |w| {
        w.by_nobody(category(number(9)))
    }),
    ("createCategory", "of more seconds than 32 bits hold", |w| {
        let (secs, limit) = (U256::from(1_u64 << 32), U256::from(u32::MAX));
        (
            w.by_governor(category(secs)),
            error!(CategoryTimeTooLong { secs, limit }),
        )
    }),
    ("viewCategory", "there is no such category", |w| {
        let count = U256::from(w.town.hub.categories.len());
        (
            w.verb(NOBODY, abi::viewCategoryCall { catid: count }),
            error!(NoSuchCategory {
                category: count,
                count
            }),
        )
    }),
    ("setTeeBroker", "by a stranger", |w| {
        w.by_nobody(abi::setTeeBrokerCall { teebroker: NOBODY })
    }),
    ("setCallbackGas", "by a stranger", |w| {
        w.by_nobody(abi::setCallbackGasCall {
            callbackgas: U256::ZERO,
        })
    }),
    ("transferOwnership", "by a stranger", |w| {
        w.by_nobody(abi::transferOwnershipCall { newOwner: NOBODY })
    }),
    ("configure", "of a sealed hub", |w| w.fixed(configure())),
    ("changeRegistries", "of a sealed hub", |w| {
        w.fixed(abi::changeRegistriesCall {
            appregistry: NOBODY,
            datasetregistry: NOBODY,
            workerpoolregistry: NOBODY,
        })
    }),
    ("setTeeBroker", "of a sealed hub", |w| {
        w.fixed(abi::setTeeBrokerCall { teebroker: NOBODY })
    }),
    ("seal", "by a stranger", |w| w.by_nobody(abi::sealCall {})),
    ("seal", "a second time", |w| w.fixed(abi::sealCall {})),
    (
        "seal",
        "with less gas for callbacks than it will allow",
        |w| {
            let setting = w.by_governor(abi::setCallbackGasCall {
                callbackgas: number(49_999),
            });
            w.done(setting);
            (w.by_governor(abi::sealCall {}), out_of_bounds(49_999))
        },
    ),
    ("setCallbackGas", "of a sealed hub, too little", |w| {
        w.sealed();
        let callbackgas = number(49_999);
        (
            w.by_governor(abi::setCallbackGasCall { callbackgas }),
            out_of_bounds(49_999),
        )
    }),
    ("setCallbackGas", "of a sealed hub, too much", |w| {
        w.sealed();
        let callbackgas = number(2_000_001);
        (
            w.by_governor(abi::setCallbackGasCall { callbackgas }),
            out_of_bounds(2_000_001),
        )
    }),
    ("transferOwnership", "to nobody", |w| {
        let verb = abi::transferOwnershipCall {
            newOwner: Address::ZERO,
        };
        let name = "newOwner".to_owned();
        (w.by_governor(verb), error!(ZeroArgument { name }))
    }),
    ("importScore", "there was no hub before", |w| {
        (
            w.verb(NOBODY, abi::importScoreCall { worker: NOBODY }),
            error!(NoFormerHub {}),
        )
    }),
];

const NO_DEAL: DealId = DealId(B256::repeat_byte(0xde));
const NO_TASK: TaskId = TaskId(B256::repeat_byte(0x7a));

fn token(error: RLC::RLCErrors) -> Refusal {
    Refusal::Token(Box::new(error))
}

fn volume_limit() -> U256 {
    (U256::ONE << 96) - U256::ONE
}

fn too_much() -> Refusal {
    let limit = volume_limit();
    error!(VolumeTooLarge {
        volume: limit + U256::ONE,
        limit
    })
}

fn unauthorized(world: &World, task: TaskId, enclave: Address, signer: Address) -> Refusal {
    error!(InvalidAuthorization {
        taskid: task.0,
        worker: world.worker(0),
        enclave,
        signer
    })
}

pub(super) fn configure() -> abi::configureCall {
    abi::configureCall {
        token: NOBODY,
        name: String::new(),
        symbol: String::new(),
        decimals: 9,
        appregistry: NOBODY,
        datasetregistry: NOBODY,
        workerpoolregistry: NOBODY,
        v3hub: NOBODY,
    }
}

fn out_of_bounds(callbackgas: u64) -> Refusal {
    error!(CallbackGasOutOfBounds {
        callbackgas: number(callbackgas),
        least: number(50_000),
        most: number(2_000_000)
    })
}

/// A salt that says no more than that the order is good in this second.
fn dated(world: &World) -> B256 {
    let marks = MarkedSalt {
        expiry: Some(world.town.time + 1),
        ..MarkedSalt::default()
    };
    marks.make().expect("small numbers")
}

/// What an order's salt is looked at for.
#[derive(Clone, Copy)]
enum Use {
    /// A match, in which this order's salt is not as it should be.
    Match(Kind),
    /// Lending a dataset to a deal that has none.
    Lend,
}

impl Use {
    fn kind(self) -> Kind {
        match self {
            Self::Match(kind) => kind,
            Self::Lend => Kind::Dataset,
        }
    }
}

fn salt_of(orders: &mut crate::town::Orders, kind: Kind) -> &mut B256 {
    match kind {
        Kind::App => &mut orders.app.salt,
        Kind::Dataset => &mut orders.dataset.salt,
        Kind::Workerpool => &mut orders.workerpool.salt,
        Kind::Request => &mut orders.request.salt,
    }
}

/// Orders that end by what their salts say.
impl World {
    /// The use of an order with this salt, and the order's hash.
    fn with_salt(&mut self, how: Use, salt: B256) -> (super::Try, B256) {
        let mut orders = self.town.orders(1, 1);
        *salt_of(&mut orders, how.kind()) = salt;
        let hash = match how.kind() {
            Kind::App => self.hash(&orders.app),
            Kind::Dataset => self.hash(&orders.dataset),
            Kind::Workerpool => self.hash(&orders.workerpool),
            Kind::Request => self.hash(&orders.request),
        };
        let attempt = match how {
            Use::Match(kind) => self.matching(|orders| *salt_of(orders, kind) = salt),
            Use::Lend => self.lending(|orders| orders.dataset.salt = salt),
        };
        (attempt, hash)
    }

    fn marked(&mut self, how: Use, marks: MarkedSalt) -> (super::Try, B256) {
        self.with_salt(how, marks.make().expect("small numbers"))
    }

    fn signer(&self, kind: Kind) -> Address {
        entry_of(kind).map_or(self.requester(), |entry| self.town.owner_of(entry))
    }

    fn raised(&mut self, signer: Address, refuse_unmarked: bool) {
        let verb = abi::raiseEpochCall {
            refuseUnmarked: refuse_unmarked,
        };
        let attempt = self.verb(signer, verb);
        self.done(attempt);
    }

    fn handed_over(&mut self, entry: Entry, to: Address) {
        let owner = self.town.owner_of(entry);
        let attempt = (self.call(owner), Deed::HandOver { entry, to });
        self.done(attempt);
    }

    fn unknown(&mut self, how: Use, spoil: fn(&mut B256)) -> (super::Try, Refusal) {
        let mut salt = MarkedSalt::default().make().expect("nothing");
        spoil(&mut salt);
        let (attempt, orderHash) = self.with_salt(how, salt);
        (attempt, error!(UnknownSalt { orderHash, salt }))
    }

    fn expired(&mut self, how: Use) -> (super::Try, Refusal) {
        let marks = MarkedSalt {
            expiry: Some(self.town.time),
            ..MarkedSalt::default()
        };
        let (attempt, orderHash) = self.marked(how, marks);
        let time = U256::from(self.town.time);
        let refusal = error!(OrderExpired {
            orderHash,
            expiry: time,
            time
        });
        (attempt, refusal)
    }

    fn taken_back(&mut self, how: Use) -> (super::Try, Refusal) {
        let signer = self.signer(how.kind());
        self.raised(signer, false);
        self.of_epoch(how, 0)
    }

    fn ahead_of_time(&mut self, how: Use) -> (super::Try, Refusal) {
        let signer = self.signer(how.kind());
        self.raised(signer, true);
        self.of_epoch(how, 2)
    }

    /// An order of another epoch than its signer's, which is the first.
    fn of_epoch(&mut self, how: Use, epoch: u32) -> (super::Try, Refusal) {
        let marks = MarkedSalt {
            signer_epoch: Some(epoch),
            ..MarkedSalt::default()
        };
        let (attempt, orderHash) = self.marked(how, marks);
        let refusal = error!(OrderEpochPassed {
            orderHash,
            signer: self.signer(how.kind()),
            signedEpoch: U256::from(epoch),
            currentEpoch: U256::ONE
        });
        (attempt, refusal)
    }

    fn unmarked(&mut self, how: Use, salt: B256) -> (super::Try, Refusal) {
        let signer = self.signer(how.kind());
        self.raised(signer, true);
        let (attempt, orderHash) = self.with_salt(how, salt);
        (attempt, error!(UnmarkedOrderRefused { orderHash, signer }))
    }

    fn transferred(&mut self, how: Use, back: bool) -> (super::Try, Refusal) {
        let entry = entry_of(how.kind()).expect("an asset");
        let owner = self.town.owner_of(entry);
        self.handed_over(entry, self.town.sponsor.address);
        if back {
            self.handed_over(entry, owner);
        }
        let marks = MarkedSalt {
            asset_epoch: Some(0),
            ..MarkedSalt::default()
        };
        let (attempt, orderHash) = self.marked(how, marks);
        let asset = match entry {
            Entry::App => self.town.app,
            Entry::Dataset => self.town.dataset,
            Entry::Workerpool => self.town.workerpool,
        };
        let refusal = error!(AssetTransferred {
            orderHash,
            asset,
            signedEpoch: U256::ZERO,
            currentEpoch: number(if back { 2 } else { 1 })
        });
        (attempt, refusal)
    }

    /// The order was signed under a policy of 30 % staked and 1 % kept.
    fn changed(&mut self, stake_ratio: u64, reward_ratio: u64) -> (super::Try, Refusal) {
        let policy = Deed::Policy {
            stake_ratio,
            reward_ratio,
        };
        let policy = (self.call(self.scheduler()), policy);
        self.done(policy);
        let marks = MarkedSalt {
            policy: Some(Policy {
                worker_stake_ratio: 30,
                scheduler_reward_ratio: 1,
            }),
            ..MarkedSalt::default()
        };
        let (attempt, orderHash) = self.marked(Use::Match(Kind::Workerpool), marks);
        let refusal = error!(PolicyChanged {
            orderHash,
            workerpool: self.town.workerpool,
            stakeRatio: number(stake_ratio),
            rewardRatio: number(reward_ratio)
        });
        (attempt, refusal)
    }

    /// What was fixed when the hub was sealed, by the owner.
    fn fixed(&mut self, verb: impl crate::town::Verb) -> (super::Try, Refusal) {
        self.sealed();
        (self.by_governor(verb), error!(HubIsSealed {}))
    }
}

/// What an order of this kind offers; a request offers nothing.
fn entry_of(kind: Kind) -> Option<Entry> {
    match kind {
        Kind::App => Some(Entry::App),
        Kind::Dataset => Some(Entry::Dataset),
        Kind::Workerpool => Some(Entry::Workerpool),
        Kind::Request => None,
    }
}

impl World {
    fn rlc(&self) -> Address {
        use crate::law::Law;
        self.chain.deployment().rlc
    }

    /// What the scheduler would sign for a worker.
    fn authorization(&self, worker: Address, task: TaskId, enclave: Address) -> Bytes {
        let hash = message_hash(authorization_hash(worker, task, enclave));
        self.town.scheduler.sign(hash)
    }

    /// An operation on an order whose owner's signature cannot be one.
    fn misspelled(&self, kind: Kind) -> (super::Try, Refusal) {
        let attempt = self.managing_signed(kind, false, |_| Bytes::from_static(b"short"), |_| {});
        (
            attempt,
            error!(InvalidSignatureLength { length: number(5) }),
        )
    }

    fn untagged(&self, change: impl FnOnce(&mut crate::town::Orders)) -> (super::Try, Refusal) {
        let refusal = error!(TagNotOffered {
            tag: Tag::GPU.0,
            workerpoolTag: B256::ZERO
        });
        (self.matching(change), refusal)
    }

    /// What is left of app, dataset, workerpool and request.
    fn used_up(
        &self,
        change: impl FnOnce(&mut crate::town::Orders),
        left: [u64; 4],
    ) -> (super::Try, Refusal) {
        let [app, dataset, workerpool, request] = left.map(number);
        (
            self.matching(change),
            error!(OrdersConsumed {
                app,
                dataset,
                workerpool,
                request
            }),
        )
    }

    fn too_dear(
        &self,
        change: impl FnOnce(&mut crate::town::Orders, U256),
    ) -> (super::Try, Refusal) {
        let limit = U256::from(u64::MAX);
        let price = limit + U256::ONE;
        let attempt = self.matching(|orders| change(orders, price));
        (attempt, error!(PriceTooLarge { price, limit }))
    }
}
