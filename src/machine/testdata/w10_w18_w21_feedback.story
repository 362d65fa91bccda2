# W10: feedback comes with the fate that it tells, in the same command; what was never executed gives none.
at 0 online w1 trade 9 -> session 1.0
at 1 submit t1 trade feedback=shop , t2 trade feedback=shop , t3 trade , t4 trade feedback=mall at=9000 -> accepted 2.0, accepted 2.1, accepted 2.2, accepted 2.3, ready trade
at 2 dispatch w1 9 -> push 3.0 of 2.0/0 due 1, push 3.1 of 2.1/0 due 1, push 3.2 of 2.2/0 due 1
at 3 complete 3.0 success result=done , 3.1 failed error=boom , 3.2 success -> accepted, accepted, accepted, feedback shop, 2.0/0 succeeded, feedback shop, 2.1/0 failed, 2.2/0 succeeded
show feedback shop
    | FeedbackGroupRow { made: 2, pending: 2, dead: 0, heard: 0, dropped: 0, expired: 0, discarded: 0, failed: 0 }
    | 2.0/0 trade/t1 due 1 succeeded at 3 execution 3.0 pending from 3 tries 0 result done
    | 2.1/0 trade/t2 due 1 failed at 3 execution 3.1 pending from 3 tries 0 "boom"
at 4 cancel trade/t4 -> CANCELLED 2.3, 2.3/0 cancelled
show feedback mall
# Cancelled while it executes or waits for a retry, superseded after an execution, dead: each was executed.
at 5 submit t5 trade feedback=shop retries=3 , t6 trade feedback=shop , t7 trade feedback=shop , t8 trade feedback=shop + dispatch w1 9 -> accepted 6.0, accepted 6.1, accepted 6.2, accepted 6.3, push 6.4 of 6.0/0 due 5, push 6.5 of 6.1/0 due 5, push 6.6 of 6.2/0 due 5, push 6.7 of 6.3/0 due 5, ready trade
at 6 complete 6.4 later , 6.7 exception -> accepted, accepted, feedback shop, 6.3/0 dead
at 7 cancel trade/t5 + cancel trade/t6 -> CANCEL_REQUESTED 6.0, CANCEL_REQUESTED 6.1, feedback shop, 6.0/0 cancelled, terminate 6.5 on 1.0
at 8 return 6.5 began -> ok, feedback shop, 6.1/0 cancelled
at 9 reclaim 6.6 timed-out -> ok, terminate 6.6 on 1.0, feedback shop, 6.2/0 dead
show feedback shop
    | FeedbackGroupRow { made: 6, pending: 6, dead: 0, heard: 0, dropped: 0, expired: 0, discarded: 0, failed: 0 }
    | 2.0/0 trade/t1 due 1 succeeded at 3 execution 3.0 pending from 3 tries 0 result done
    | 2.1/0 trade/t2 due 1 failed at 3 execution 3.1 pending from 3 tries 0 "boom"
    | 6.0/0 trade/t5 due 5 cancelled at 7 execution 6.4 pending from 7 tries 0 "cancelled"
    | 6.1/0 trade/t6 due 5 cancelled at 8 execution 6.5 pending from 8 tries 0 "cancelled"
    | 6.2/0 trade/t7 due 5 dead at 9 execution 6.6 pending from 9 tries 0 "did not stop after its run timeout"
    | 6.3/0 trade/t8 due 5 dead at 6 execution 6.7 pending from 6 tries 0
# W18: heard is what was handled; it is forgotten, and a second time changes nothing.
at 10 heard shop 2.0/0,2.1/0 + heard shop 2.0/0 + heard mall 6.0/0 -> ok, ok, ok
show feedback shop
    | FeedbackGroupRow { made: 6, pending: 4, dead: 0, heard: 2, dropped: 0, expired: 0, discarded: 0, failed: 0 }
    | 6.0/0 trade/t5 due 5 cancelled at 7 execution 6.4 pending from 7 tries 0 "cancelled"
    | 6.1/0 trade/t6 due 5 cancelled at 8 execution 6.5 pending from 8 tries 0 "cancelled"
    | 6.2/0 trade/t7 due 5 dead at 9 execution 6.6 pending from 9 tries 0 "did not stop after its run timeout"
    | 6.3/0 trade/t8 due 5 dead at 6 execution 6.7 pending from 6 tries 0
# W21: each that fails has a time of its own; a failure that was counted is not counted again.
at 1000 unheard shop 6.0/0 error=down -> ok, feedback shop
at 1000 unheard shop 6.0/0 error=down -> ok
at 2000 unheard shop 6.0/0 attempt=2 error=x*5000 -> ok, feedback shop
at 4000 unheard shop 6.0/0 attempt=3 + heard shop 6.1/0 -> ok, ok, feedback shop
show feedback shop
    | FeedbackGroupRow { made: 6, pending: 3, dead: 0, heard: 3, dropped: 0, expired: 0, discarded: 0, failed: 3 }
    | 6.0/0 trade/t5 due 5 cancelled at 7 execution 6.4 pending from 8000 tries 3 "cancelled"
    | 6.2/0 trade/t7 due 5 dead at 9 execution 6.6 pending from 9 tries 0 "did not stop after its run timeout"
    | 6.3/0 trade/t8 due 5 dead at 6 execution 6.7 pending from 6 tries 0
# After its last try it is a dead letter, and late news still count.
at 5000 limits tries=5 feedback=3 -> ok
at 9000 unheard shop 6.0/0 attempt=4 + unheard shop 6.0/0 attempt=5 -> ok, ok, feedback shop
at 9001 unheard shop 6.2/0 attempt=1 + unheard shop 6.2/0 attempt=2 + unheard shop 6.2/0 attempt=3 + unheard shop 6.2/0 attempt=4 + unheard shop 6.2/0 attempt=5 -> ok, ok, ok, ok, ok, feedback shop
show feedback shop
    | FeedbackGroupRow { made: 6, pending: 1, dead: 2, heard: 3, dropped: 0, expired: 0, discarded: 0, failed: 10 }
    | 6.0/0 trade/t5 due 5 cancelled at 7 execution 6.4 dead since 9000 tries 5 "cancelled"
    | 6.2/0 trade/t7 due 5 dead at 9 execution 6.6 dead since 9001 tries 5 "did not stop after its run timeout"
    | 6.3/0 trade/t8 due 5 dead at 6 execution 6.7 pending from 6 tries 0
at 9002 heard shop 6.2/0 -> ok
# By hand: told again with all its tries, or given up.
at 9003 tell-again shop dead + tell-again shop dead -> 1 moved, 0 moved, feedback shop
at 9004 unheard shop 6.0/0 attempt=1 -> ok, feedback shop
at 9004 tell-again shop pending + tell-again shop pending -> 1 moved, 0 moved, feedback shop
at 9005 drop-feedback shop 6.0/0 + drop-feedback shop pending + drop-feedback shop dead -> 1 moved, 1 moved, 0 moved
show feedback shop
    | FeedbackGroupRow { made: 6, pending: 0, dead: 0, heard: 4, dropped: 0, expired: 0, discarded: 2, failed: 11 }
# Bounded: what finds no room is counted, and no end of a run waits for it.
at 9010 limits feedback=1 -> ok
at 9010 submit u1 trade feedback=shop , u2 trade feedback=shop + dispatch w1 9 -> accepted 25.0, accepted 25.1, push 25.2 of 25.0/0 due 9010, push 25.3 of 25.1/0 due 9010, ready trade
at 9011 complete 25.2 success , 25.3 success -> accepted, accepted, feedback shop, 25.0/0 succeeded, 25.1/0 succeeded
show feedback shop
    | FeedbackGroupRow { made: 8, pending: 1, dead: 0, heard: 4, dropped: 1, expired: 0, discarded: 2, failed: 11 }
    | 25.0/0 trade/u1 due 9010 succeeded at 9011 execution 25.2 pending from 9011 tries 0
at 9012 limits unheard=1000 -> ok
at 9999 expire -> ok
at 99999 expire -> ok
show feedback shop
    | FeedbackGroupRow { made: 8, pending: 0, dead: 0, heard: 4, dropped: 1, expired: 1, discarded: 2, failed: 11 }
# What executes tells whom its own revision names, the next one whom the newest names, also in another node group. Feedback
# outlasts the run and its node group.
at 100000 limits feedback=100 unheard=999999 -> ok
at 100000 online w1 trade 9 -> session 1.0
at 100000 submit v1 trade feedback=shop + dispatch w1 9 -> accepted 32.0, push 32.1 of 32.0/0 due 100000, ready trade
at 100001 submit v1 trade replace feedback=mall -> replaced 32.0 rev 2
at 100002 update trade/v1 group=stock -> UPDATED 32.0 rev 3
at 100003 complete 32.1 success -> accepted, feedback shop, 32.0/0 succeeded, ready stock
at 100004 offline w1 left + online w2 stock 9 -> ok, session 36.1
at 100005 dispatch w2 9 -> push 37.0 of 32.0/1 due 100003
at 100006 complete 37.0 success -> accepted, feedback mall, 32.0/1 succeeded
at 100006 offline w2 left -> ok
at 100006 limits kept=1000 -> ok
at 102000 expire -> ok
at 102000 delete-group trade + delete-group stock -> ok, ok
show feedback shop
    | FeedbackGroupRow { made: 9, pending: 1, dead: 0, heard: 4, dropped: 1, expired: 1, discarded: 2, failed: 11 }
    | 32.0/0 trade/v1 due 100000 succeeded at 100003 execution 32.1 pending from 100003 tries 0
show feedback mall
    | FeedbackGroupRow { made: 1, pending: 1, dead: 0, heard: 0, dropped: 0, expired: 0, discarded: 0, failed: 0 }
    | 32.0/1 stock/v1 due 100003 succeeded at 100006 execution 37.0 pending from 100006 tries 0
at 102001 heard shop 32.0/0 + heard mall 32.0/1 -> ok, ok
show rows
    | FeedbackGroup 2, LogAge 4, NodeEvent 4
# An update names others for what does not execute and for retries, or nobody.
at 110000 online w1 trade 9 -> session 44.0
at 110000 submit x1 trade feedback=shop retries=1 , x2 trade feedback=shop , x3 trade + dispatch w1 1 -> accepted 45.0, accepted 45.1, accepted 45.2, push 45.3 of 45.0/0 due 110000, ready trade
at 110001 update trade/x1 feedback=mall + update trade/x2 feedback=none + update trade/x3 feedback=none -> UPDATED 45.0 rev 2, UPDATED 45.1 rev 2, UPDATED 45.2 rev 2, ready trade
at 110002 complete 45.3 later + dispatch w1 9 -> accepted, push 47.0 of 45.1/0 due 110000, push 47.1 of 45.2/0 due 110000
at 150000 tick + dispatch w1 9 -> ok, push 48.0 of 45.0/0 due 110000 attempt 2 retries 1 reclaims 0, ready trade
show feedback mall
    | FeedbackGroupRow { made: 1, pending: 0, dead: 0, heard: 1, dropped: 0, expired: 0, discarded: 0, failed: 0 }
at 150001 complete 48.0 success , 47.0 success , 47.1 success -> accepted, accepted, accepted, feedback mall, 45.0/0 succeeded, 45.1/0 succeeded, 45.2/0 succeeded
show feedback mall
    | FeedbackGroupRow { made: 2, pending: 1, dead: 0, heard: 1, dropped: 0, expired: 0, discarded: 0, failed: 0 }
    | 45.0/0 trade/x1 due 110000 succeeded at 150001 execution 48.0 pending from 150001 tries 0
show feedback shop
    | FeedbackGroupRow { made: 9, pending: 0, dead: 0, heard: 5, dropped: 1, expired: 1, discarded: 2, failed: 11 }
# A deleted job tells how it ended, and what it had told before stays.
at 160000 submit z1 trade feedback=shop retries=1 + dispatch w1 9 -> accepted 50.0, push 50.1 of 50.0/0 due 160000, ready trade
at 160001 complete 50.1 later -> accepted
at 160002 delete trade/z1 + delete trade/x2 -> DELETED 50.0, DELETED 45.1, feedback shop, 50.0/0 cancelled, 50.0 ends, more to expire, 45.1 ends, more to expire
at 160003 expire -> ok
show feedback shop
    | FeedbackGroupRow { made: 10, pending: 1, dead: 0, heard: 5, dropped: 1, expired: 1, discarded: 2, failed: 11 }
    | 50.0/0 trade/z1 due 160000 cancelled at 160002 execution 50.1 pending from 160002 tries 0 "cancelled"
