# One-shot. Ready: held, and ready again; nothing of it is dispatched meanwhile.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit ready trade -> accepted 2.0, ready trade
at 1000 suspend trade/ready why=too-much-load -> SUSPENDED 2.0
at 1000 dispatch w1 9 -> nothing
show job 2.0
    | ready rev 1 lives, suspended since 1000
    | 2.0/0 due 1000 rev 1 suspended executions 0 retries 0 reclaims 0
at 1000 suspend trade/ready -> ALREADY_SUSPENDED 2.0
at 1000 resume trade/ready -> RESUMED 2.0, ready trade
at 1000 resume trade/ready -> NOT_SUSPENDED 2.0
show joblog 2.0
    | 3.0 suspended: too-much-load
    | 6.0 resumed
at 1000 dispatch w1 9 -> push 8.0 of 2.0/0 due 1000
# Executing: it runs out. Its failure leads to no retry until it is resumed.
at 1100 suspend 2.0 -> SUSPENDED 2.0
at 1200 complete 8.0 success -> accepted, 2.0/0 succeeded
at 1200 suspend 2.0 -> ALREADY_FINISHED 2.0 succeeded
at 1200 resume 2.0 -> ALREADY_FINISHED 2.0 succeeded
show job 2.0
    | ready rev 1 has ended
    | 2.0/0 due 1000 rev 1 succeeded at 1200 executions 1 retries 0 reclaims 0 [8.0 EXECUTE_SUCCESS]
at 2000 submit fails trade retries=3 delay=500 + dispatch w1 9 -> accepted 13.0, push 13.1 of 13.0/0 due 2000, ready trade
at 2100 suspend trade/fails -> SUSPENDED 13.0
at 2200 complete 13.1 exception -> accepted
show job 13.0
    | fails rev 1 lives, suspended since 2100
    | 13.0/0 due 2000 rev 1 suspended, waits until 2700 executions 1 retries 1 reclaims 0
at 9000 tick + dispatch w1 9 -> ok, nothing
at 9000 resume trade/fails -> RESUMED 13.0, ready trade
at 9000 dispatch w1 9 -> push 18.0 of 13.0/0 due 2000 attempt 2 retries 1 reclaims 0
# Its TaskTracker's death leads to no re-run, nor does a push that comes back.
at 9100 suspend trade/fails -> SUSPENDED 13.0
at 9200 reclaim 18.0 -> ok, terminate 18.0 on 1.0
show job 13.0
    | fails rev 1 lives, suspended since 9100
    | 13.0/0 due 2000 rev 1 suspended executions 2 retries 1 reclaims 1
at 9200 resume trade/fails + dispatch w1 9 + suspend trade/fails -> RESUMED 13.0, push 21.1 of 13.0/0 due 2000 attempt 3 retries 1 reclaims 1, SUSPENDED 13.0, ready trade
at 9200 return 21.1 -> ok
show job 13.0
    | fails rev 1 lives, suspended since 9200
    | 13.0/0 due 2000 rev 1 suspended executions 2 retries 1 reclaims 1
at 9200 cancel trade/fails -> CANCEL_REQUESTED 13.0, 13.0/0 cancelled
# Waiting for its time: it waits on, or what passed meanwhile is late.
at 10000 submit early trade at=12000 , late trade at=11000 , missed trade at=11000 misfire=skip misfire_after=500 -> accepted 24.0, accepted 24.1, accepted 24.2
at 10000 suspend trade/early + suspend trade/late + suspend trade/missed -> SUSPENDED 24.0, SUSPENDED 24.1, SUSPENDED 24.2
show next
    | None
at 11600 tick -> ok
at 11600 resume trade/early + resume trade/late + resume trade/missed -> RESUMED 24.0, RESUMED 24.1, ENDED 24.2, ready trade, 24.2/0 skipped Misfired 1 to 11000
show job 24.0
    | early rev 1 lives
    | 24.0/0 due 12000 rev 1 waiting until 12000 executions 0 retries 0 reclaims 0
show job 24.1
    | late rev 1 lives
    | 24.1/0 due 11000 rev 1 ready since 11600 executions 0 retries 0 reclaims 0
show job 24.2
    | missed rev 1 has ended
    | 24.2/0 due 11000 rev 1 skipped Misfired 1 to 11000 at 11600 error "it was due too long ago"
# Cancelled while it executes: there is nothing to suspend or to resume.
at 11600 cancel trade/early + cancel trade/late -> CANCELLED 24.0, CANCELLED 24.1, 24.0/0 cancelled, 24.1/0 cancelled
at 11600 submit stopping trade + dispatch w1 9 -> accepted 29.0, push 29.1 of 29.0/0 due 11600, ready trade
at 11600 cancel trade/stopping -> CANCEL_REQUESTED 29.0, terminate 29.1 on 1.0
at 11600 suspend trade/stopping -> CANCEL_REQUESTED 29.0
at 11600 resume trade/stopping -> CANCEL_REQUESTED 29.0
at 11600 complete 29.1 success -> accepted, 29.0/0 succeeded
at 11600 suspend nobody/nothing + resume nobody/nothing -> NOT_FOUND, NOT_FOUND
# With the revision that was seen.
at 11600 submit seen trade at=99000 -> accepted 35.0
at 11600 suspend trade/seen expect=2 + suspend trade/seen expect=1 + resume trade/seen expect=3 -> refused: job 35.0 has revision 1, not the expected one, SUSPENDED 35.0, refused: job 35.0 has revision 1, not the expected one
