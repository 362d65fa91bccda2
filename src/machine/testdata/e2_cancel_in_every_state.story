at 1000 online w1 trade 9 -> session 1.0
# Waiting: CANCELLED.
at 1000 submit waiting trade at=9000 -> accepted 2.0
at 1000 cancel trade/waiting -> CANCELLED 2.0, 2.0/0 cancelled
at 1000 cancel trade/waiting -> ALREADY_FINISHED 2.0 cancelled
# Ready: CANCELLED.
at 1000 submit ready trade -> accepted 5.0, ready trade
at 1000 cancel trade/ready -> CANCELLED 5.0, 5.0/0 cancelled
at 1000 dispatch w1 9 -> nothing
# Executing: CANCEL_REQUESTED; its success stands.
at 1000 submit succeeds trade + dispatch w1 9 -> accepted 8.0, push 8.1 of 8.0/0 due 1000, ready trade
at 1000 cancel trade/succeeds -> CANCEL_REQUESTED 8.0, terminate 8.1 on 1.0
at 1000 cancel trade/succeeds -> CANCEL_REQUESTED 8.0, terminate 8.1 on 1.0
at 1000 complete 8.1 success -> accepted, 8.0/0 succeeded
at 1000 cancel trade/succeeds -> ALREADY_FINISHED 8.0 succeeded
# Executing: its failure leads to no retry.
at 1000 submit fails trade retries=9 + dispatch w1 9 -> accepted 13.0, push 13.1 of 13.0/0 due 1000, ready trade
at 1000 cancel trade/fails -> CANCEL_REQUESTED 13.0, terminate 13.1 on 1.0
at 1000 complete 13.1 exception -> accepted, 13.0/0 cancelled
show job 13.0
    | fails rev 1 has ended
    | 13.0/0 due 1000 rev 1 cancelled at 1000 executions 1 retries 0 reclaims 0 [13.1 EXECUTE_EXCEPTION]
# Executing: its TaskTracker's death leads to no re-run.
at 1000 submit dies trade retries=9 + dispatch w1 9 -> accepted 16.0, push 16.1 of 16.0/0 due 1000, ready trade
at 1000 cancel trade/dies -> CANCEL_REQUESTED 16.0, terminate 16.1 on 1.0
at 1000 reclaim 16.1 silent -> ok, terminate 16.1 on 1.0, 16.0/0 cancelled
show job 16.0
    | dies rev 1 has ended
    | 16.0/0 due 1000 rev 1 cancelled at 1000 executions 1 retries 0 reclaims 1 [16.1 TrackerSilent] error "cancelled"
# Waiting for its retry: it was executed, so CANCEL_REQUESTED, and E2: no retry comes after it.
at 1000 submit retries trade retries=9 delay=10 + dispatch w1 9 -> accepted 19.0, push 19.1 of 19.0/0 due 1000, ready trade
at 1000 complete 19.1 exception -> accepted
at 1000 cancel trade/retries -> CANCEL_REQUESTED 19.0, 19.0/0 cancelled
at 2000 tick + dispatch w1 9 -> ok, nothing
show job 19.0
    | retries rev 1 has ended
    | 19.0/0 due 1000 rev 1 cancelled at 1000 executions 1 retries 1 reclaims 0 [19.1 EXECUTE_EXCEPTION] error "cancelled"
# Reclaimed and ready again.
at 2000 submit again trade + dispatch w1 9 -> accepted 23.0, push 23.1 of 23.0/0 due 2000, ready trade
at 2000 reclaim 23.1 -> ok, terminate 23.1 on 1.0, ready trade
at 2000 cancel trade/again -> CANCEL_REQUESTED 23.0, 23.0/0 cancelled
at 2000 dispatch w1 9 -> nothing
# A periodic job between its instants: no instant comes any more.
at 3000 submit r trade every=1000 -> accepted 27.0
at 3000 tick + dispatch w1 9 -> ok, push 28.0 of 27.0/0 due 3000, ready trade
at 3100 complete 28.0 success -> accepted, 27.0/0 succeeded
at 3200 cancel trade/r -> CANCELLED 27.0, 27.0 ends
at 9000 tick + dispatch w1 9 -> ok, nothing
at 9000 cancel trade/r -> ALREADY_FINISHED 27.0 succeeded
show job 27.0
    | r rev 1 has ended
    | 27.0/0 due 3000 rev 1 succeeded at 3100 executions 1 retries 0 reclaims 0 [28.0 EXECUTE_SUCCESS]
# A periodic job that never ran.
at 9000 submit c trade cron -> accepted 33.0, needs plan 33.0
at 9000 plan 33.0 after=9000 instants=10000,11000 -> ok
at 9500 cancel trade/c -> CANCELLED 33.0, 33.0 ends
at 9500 cancel 33.0 -> ALREADY_FINISHED 33.0 cancelled
at 12000 tick -> ok
show job 33.0
    | c rev 1 has ended
# A periodic job with runs in every state.
at 20000 submit all trade every=1000 norely retries=3 delay=5000 -> accepted 38.0
at 20000 tick + dispatch w1 1 -> ok, push 39.0 of 38.0/0 due 20000, ready trade
at 21000 tick + dispatch w1 1 -> ok, push 40.0 of 38.0/1 due 21000, ready trade
at 21000 complete 39.0 exception -> accepted
at 22000 tick -> ok, ready trade
show job 38.0
    | all rev 1 lives
    | settled 22000 live 3 next 23000 every 1s remaining None
    | 38.0/0 due 20000 rev 1 waiting until 26000 executions 1 retries 1 reclaims 0
    | 38.0/1 due 21000 rev 1 executing 40.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 38.0/2 due 22000 rev 1 ready since 22000 executions 0 retries 0 reclaims 0
at 22500 cancel trade/all -> CANCEL_REQUESTED 38.0, 38.0/0 cancelled, terminate 40.0 on 1.0, 38.0/2 cancelled
show job 38.0
    | all rev 1 lives
    | settled 22000 live 1 stopped
    | 38.0/1 due 21000 rev 1 executing 40.0 on w1 1.0 executions 1 retries 0 reclaims 0 stop Cancel
    | 38.0/0 due 20000 rev 1 cancelled at 22500 executions 1 retries 1 reclaims 0 [39.0 EXECUTE_EXCEPTION] error "cancelled"
    | 38.0/2 due 22000 rev 1 cancelled at 22500 error "cancelled"
at 30000 tick + dispatch w1 9 -> ok, nothing
at 30000 cancel trade/all -> CANCEL_REQUESTED 38.0, terminate 40.0 on 1.0
at 30000 complete 40.0 later -> accepted, 38.0/1 cancelled, 38.0 ends
at 30000 cancel trade/all -> ALREADY_FINISHED 38.0 cancelled
show job 38.0
    | all rev 1 has ended
    | 38.0/0 due 20000 rev 1 cancelled at 22500 executions 1 retries 1 reclaims 0 [39.0 EXECUTE_EXCEPTION] error "cancelled"
    | 38.0/1 due 21000 rev 1 cancelled at 30000 executions 1 retries 0 reclaims 0 [40.0 EXECUTE_LATER]
    | 38.0/2 due 22000 rev 1 cancelled at 22500 error "cancelled"
# Nobody knows it.
at 30000 cancel trade/nobody -> NOT_FOUND
at 30000 cancel other/r -> NOT_FOUND
