at 1000 online w1 trade 9 -> session 1.0
# Waiting: ignored, refused, replaced. What waited is superseded, the new revision waits.
at 1000 submit t1 trade at=5000 payload=one -> accepted 2.0
at 1000 submit t1 trade at=6000 payload=two -> exists 2.0
at 1000 submit t1 trade at=6000 payload=two reject -> conflict 2.0
at 1000 submit t1 trade at=7000 payload=two replace -> replaced 2.0 rev 2, 2.0/0 skipped Superseded 1 to 5000
show job 2.0
    | t1 rev 2 lives
    | 2.0/1 due 7000 rev 2 waiting until 7000 executions 0 retries 0 reclaims 0
    | 2.0/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 1000 error "a newer revision of the job came"
at 5000 tick + dispatch w1 9 -> ok, nothing
# W13, ready: replaced in one command, one run is dispatched.
at 7000 tick -> ok, ready trade
at 7000 submit t1 trade payload=three replace -> replaced 2.0 rev 3, 2.0/1 skipped Superseded 1 to 7000, ready trade
at 7000 dispatch w1 9 -> push 9.0 of 2.0/2 due 7000 payload three
# Executing: the new revision runs after the old one, whatever becomes of that.
at 7100 submit t1 trade payload=four replace -> replaced 2.0 rev 4
at 7100 dispatch w1 9 -> nothing
at 7200 submit t1 trade payload=five replace -> replaced 2.0 rev 5
show job 2.0
    | t1 rev 5 lives
    | settled 7200 live 1 stopped until restart
    | 2.0/2 due 7000 rev 3 executing 9.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.0/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 1000 error "a newer revision of the job came"
    | 2.0/1 due 7000 rev 2 skipped Superseded 1 to 7000 at 7000 error "a newer revision of the job came"
at 7300 complete 9.0 exception + dispatch w1 9 -> accepted, push 13.0 of 2.0/3 due 7300 payload five, 2.0/2 failed, ready trade
show job 2.0
    | t1 rev 5 lives
    | 2.0/3 due 7300 rev 5 executing 13.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 1000 error "a newer revision of the job came"
    | 2.0/1 due 7000 rev 2 skipped Superseded 1 to 7000 at 7000 error "a newer revision of the job came"
    | 2.0/2 due 7000 rev 3 failed at 7300 executions 1 retries 0 reclaims 0 [9.0 EXECUTE_EXCEPTION]
at 7400 complete 13.0 success -> accepted, 2.0/3 succeeded
show job 2.0
    | t1 rev 5 has ended
    | 2.0/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 1000 error "a newer revision of the job came"
    | 2.0/1 due 7000 rev 2 skipped Superseded 1 to 7000 at 7000 error "a newer revision of the job came"
    | 2.0/2 due 7000 rev 3 failed at 7300 executions 1 retries 0 reclaims 0 [9.0 EXECUTE_EXCEPTION]
    | 2.0/3 due 7300 rev 5 succeeded at 7400 executions 1 retries 0 reclaims 0 [13.0 EXECUTE_SUCCESS]

# Executing and reclaimed: no further attempt of the old revision.
at 8000 submit t2 trade payload=one + dispatch w1 9 -> accepted 15.0, push 15.1 of 15.0/0 due 8000 payload one, ready trade
at 8000 submit t2 trade payload=two replace -> replaced 15.0 rev 2
at 8100 reclaim 15.1 silent + dispatch w1 9 -> ok, push 17.0 of 15.0/1 due 8100 payload two, terminate 15.1 on 1.0, 15.0/0 failed, ready trade
show job 15.0
    | t2 rev 2 lives
    | 15.0/1 due 8100 rev 2 executing 17.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 15.0/0 due 8000 rev 1 failed at 8100 executions 1 retries 0 reclaims 1 [15.1 TrackerSilent] error "a newer revision of the job came"
# Executing and cancelled after the replacement: the new revision never starts.
at 8200 submit t2 trade payload=three replace -> replaced 15.0 rev 3
at 8200 cancel trade/t2 -> CANCEL_REQUESTED 15.0, terminate 17.0 on 1.0
at 8300 complete 17.0 exception + dispatch w1 9 -> accepted, nothing, 15.0/1 cancelled, 15.0 ends
show job 15.0
    | t2 rev 3 has ended
    | 15.0/0 due 8000 rev 1 failed at 8100 executions 1 retries 0 reclaims 1 [15.1 TrackerSilent] error "a newer revision of the job came"
    | 15.0/1 due 8100 rev 2 cancelled at 8300 executions 1 retries 0 reclaims 0 [17.0 EXECUTE_EXCEPTION]
# Cancelled and still executing, then replaced: the new revision comes.
at 8400 submit t3 trade payload=one + dispatch w1 9 -> accepted 21.0, push 21.1 of 21.0/0 due 8400 payload one, ready trade
at 8400 cancel trade/t3 -> CANCEL_REQUESTED 21.0, terminate 21.1 on 1.0
at 8400 submit t3 trade payload=two replace -> replaced 21.0 rev 2
at 8500 complete 21.1 exception + dispatch w1 9 -> accepted, push 24.0 of 21.0/1 due 8500 payload two, 21.0/0 cancelled, ready trade
show job 21.0
    | t3 rev 2 lives
    | 21.0/1 due 8500 rev 2 executing 24.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 21.0/0 due 8400 rev 1 cancelled at 8500 executions 1 retries 0 reclaims 0 [21.1 EXECUTE_EXCEPTION]
# Waiting for a retry.
at 9000 submit t4 trade payload=one retries=3 delay=100 + dispatch w1 9 -> accepted 25.0, push 25.1 of 25.0/0 due 9000 payload one, ready trade
at 9000 complete 25.1 exception -> accepted
at 9050 submit t4 trade payload=two replace -> replaced 25.0 rev 2, 25.0/0 failed, ready trade
at 9200 tick + dispatch w1 9 -> ok, push 28.0 of 25.0/1 due 9050 payload two
show job 25.0
    | t4 rev 2 lives
    | 25.0/1 due 9050 rev 2 executing 28.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 25.0/0 due 9000 rev 1 failed at 9050 executions 1 retries 1 reclaims 0 [25.1 EXECUTE_EXCEPTION] error "a newer revision of the job came"
# Returned after it was replaced.
at 9300 submit t4 trade payload=three replace -> replaced 25.0 rev 3
at 9300 return 28.0 -> ok, 25.0/1 failed, ready trade
at 9300 dispatch w1 9 -> push 31.0 of 25.0/2 due 9300 payload three
show job 25.0
    | t4 rev 3 lives
    | 25.0/2 due 9300 rev 3 executing 31.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 25.0/0 due 9000 rev 1 failed at 9050 executions 1 retries 1 reclaims 0 [25.1 EXECUTE_EXCEPTION] error "a newer revision of the job came"
    | 25.0/1 due 9050 rev 2 failed at 9300 error "a newer revision of the job came"
# Ended: a new job.
at 9400 complete 31.0 success -> accepted, 25.0/2 succeeded
at 9400 submit t4 trade reject -> accepted 33.0, ready trade
