# The same process start keeps its session, whatever the leader forgot; its executions go on.
at 0 online w1 trade 9 start=7 -> session 1.0
at 0 submit a trade , b trade , c trade -> accepted 2.0, accepted 2.1, accepted 2.2, ready trade
at 0 dispatch w1 2 -> push 3.0 of 2.0/0 due 0, push 3.1 of 2.1/0 due 0
at 10 online w1 trade 5 start=7 holds=3.0,3.1 -> session 1.0, told 1.0
show trackers
    | trade/w1 session 1.0 start 7 online since 0 capacity 5
# W3: a new start takes over what it still owes, the rest is reclaimed at once.
at 20 online w1 trade 9 start=8 holds=3.0,99.0 -> session 5.0, terminate 3.1 on 1.0, ready trade
show trackers
    | trade/w1 session 5.0 start 8 online since 20 capacity 9
show job 2.0
    | a rev 1 lives
    | 2.0/0 due 0 rev 1 executing 3.0 on w1 5.0 executions 1 retries 0 reclaims 0
show job 2.1
    | b rev 1 lives
    | 2.1/0 due 0 rev 1 ready since 20 executions 1 retries 0 reclaims 1
at 30 complete 3.0 success -> accepted, 2.0/0 succeeded
at 30 complete 3.1 success -> stale
# The old session is nobody's any more.
at 40 dispatch 1.0 9 -> refused: session 1.0 is not a TaskTracker's current one
at 40 offline 1.0 silent -> refused: session 1.0 is not a TaskTracker's current one
# Silent, then back with the same start: a new session, and nothing of the old.
at 50 dispatch w1 9 -> push 10.0 of 2.1/0 due 0 attempt 2 retries 0 reclaims 1, push 10.1 of 2.2/0 due 0
at 60 offline w1 silent -> ok, terminate 10.0 on 5.0, ready trade, terminate 10.1 on 5.0, ready trade
at 60 offline w1 silent -> refused: session 5.0 is not a TaskTracker's current one
show trackers
    | trade/w1 session 5.0 start 8 offline Silent since 60 capacity 9
at 70 online w1 trade 9 start=8 holds=10.0 -> session 13.0
show trackers
    | trade/w1 session 13.0 start 8 online since 70 capacity 9
at 80 complete 10.0 success -> stale
# The same identity in another group is another TaskTracker.
at 90 online w1 stock 9 start=8 -> session 15.0
at 90 dispatch w1 9 -> nothing
show trackers
    | stock/w1 session 15.0 start 8 online since 90 capacity 9
    | trade/w1 session 13.0 start 8 online since 70 capacity 9
