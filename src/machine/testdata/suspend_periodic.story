# Repeat: no instant ripens. Those between suspend and resume are one skipped range, and count.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit r trade every=1000 count=8 -> accepted 2.0
at 1000 tick + dispatch w1 9 -> ok, push 3.0 of 2.0/0 due 1000, ready trade
at 1100 complete 3.0 success -> accepted, 2.0/0 succeeded
at 1500 suspend trade/r -> SUSPENDED 2.0
show next
    | None
at 4500 tick -> ok
at 5000 resume trade/r -> RESUMED 2.0
show job 2.0
    | r rev 1 lives
    | settled 5000 live 0 next 6000 every 1s remaining Some(3)
    | 2.0/0 due 1000 rev 1 succeeded at 1100 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
    | 2.0/1 due 2000 rev 1 skipped Suspended 4 to 5000 at 5000
show next
    | Some(6000)
# What is due gets its fate first; what did not begin is skipped.
at 6100 suspend trade/r -> SUSPENDED 2.0, ready trade, 2.0/2 skipped Suspended 1 to 6000
show job 2.0
    | r rev 1 lives, suspended since 6100
    | settled 6000 live 0 next 7000 every 1s remaining Some(2) suspended
    | 2.0/0 due 1000 rev 1 succeeded at 1100 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
    | 2.0/1 due 2000 rev 1 skipped Suspended 4 to 5000 at 5000
    | 2.0/2 due 6000 rev 1 skipped Suspended 1 to 6000 at 6100 error "its job was suspended"
at 6200 resume trade/r -> RESUMED 2.0
at 6200 suspend trade/r -> SUSPENDED 2.0
at 6300 resume trade/r -> RESUMED 2.0
# What executes runs out; its failure is its end.
at 7000 tick + dispatch w1 9 -> ok, push 12.0 of 2.0/3 due 7000, ready trade
at 7100 suspend trade/r -> SUSPENDED 2.0
at 7200 complete 12.0 exception -> accepted, 2.0/3 dead
show job 2.0
    | r rev 1 lives, suspended since 7100
    | settled 7000 live 0 next 8000 every 1s remaining Some(1) suspended
    | 2.0/0 due 1000 rev 1 succeeded at 1100 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
    | 2.0/1 due 2000 rev 1 skipped Suspended 4 to 5000 at 5000
    | 2.0/2 due 6000 rev 1 skipped Suspended 1 to 6000 at 6100 error "its job was suspended"
    | 2.0/3 due 7000 rev 1 dead at 7200 executions 1 retries 0 reclaims 0 [12.0 EXECUTE_EXCEPTION]
# The grid passes: there is nothing left to resume.
at 99000 resume trade/r -> ENDED 2.0, 2.0 ends
show job 2.0
    | r rev 1 has ended
    | 2.0/0 due 1000 rev 1 succeeded at 1100 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
    | 2.0/1 due 2000 rev 1 skipped Suspended 4 to 5000 at 5000
    | 2.0/2 due 6000 rev 1 skipped Suspended 1 to 6000 at 6100 error "its job was suspended"
    | 2.0/3 due 7000 rev 1 dead at 7200 executions 1 retries 0 reclaims 0 [12.0 EXECUTE_EXCEPTION]
    | 2.0/4 due 8000 rev 1 skipped Suspended 1 to 8000 at 99000
# The last instant has begun when the job is suspended: it ends with it.
at 100000 submit last trade every=1000 count=1 -> accepted 16.0
at 100000 tick + dispatch w1 9 -> ok, push 17.0 of 16.0/0 due 100000, ready trade
at 100000 suspend trade/last -> SUSPENDED 16.0
at 100000 complete 17.0 success -> accepted, 16.0/0 succeeded, 16.0 ends
# The last instant has not begun: it is skipped, and the job ends.
at 100000 submit last trade every=1000 count=1 -> accepted 20.0
at 100000 suspend trade/last -> ENDED 20.0, ready trade, 20.0/0 skipped Suspended 1 to 100000, 20.0 ends
# A run that waits for its retry ends.
at 101000 submit retries trade every=10000 retries=5 delay=10 -> accepted 22.0
at 101000 tick + dispatch w1 9 -> ok, push 23.0 of 22.0/0 due 101000, ready trade
at 101000 complete 23.0 later -> accepted
at 101001 suspend trade/retries -> SUSPENDED 22.0, 22.0/0 failed
at 101100 tick + dispatch w1 9 -> ok, nothing
show job 22.0
    | retries rev 1 lives, suspended since 101001
    | settled 101000 live 0 next 111000 every 10s remaining None suspended
    | 22.0/0 due 101000 rev 1 failed at 101001 executions 1 retries 1 reclaims 0 [23.0 EXECUTE_LATER] error "its job was suspended"
at 101100 delete trade/retries -> DELETED 22.0, 22.0 ends, more to expire
# Cron: the range comes with the plan, and only with one that knows of the resume.
at 200000 submit c trade cron norely -> accepted 28.0, needs plan 28.0
at 200000 plan 28.0 after=200000 instants=201000,202000,203000,204000,205000 -> ok
at 201000 tick + dispatch w1 9 -> ok, push 30.0 of 28.0/0 due 201000, ready trade
at 201500 suspend trade/c -> SUSPENDED 28.0
show job 28.0
    | c rev 1 lives, suspended since 201500
    | settled 201000 live 1 planned [] suspended
    | 28.0/0 due 201000 rev 1 executing 30.0 on w1 1.0 executions 1 retries 0 reclaims 0
show plans
    | []
at 201600 plan 28.0 after=205000 instants=206000 -> refused: the plan of job 28.0 is outdated
at 201600 plan 28.0 after=201000 instants=202000 -> refused: the plan of job 28.0 is outdated
at 204500 tick + dispatch w1 9 -> ok, nothing
at 204500 resume trade/c -> RESUMED 28.0, needs plan 28.0
show plans
    | [28.0]
at 204500 plan 28.0 after=201000 instants=202000,203000 -> refused: the plan of job 28.0 is outdated
at 204500 plan 28.0 after=201000 resumed=204499 instants=205000 -> refused: the plan of job 28.0 is outdated
at 204500 plan 28.0 after=201000 resumed=204500 suspended=202000..205000*4 instants=206000 -> refused: the plan of job 28.0 is outdated
at 204500 plan 28.0 after=201000 resumed=204500 instants=204500 -> refused: the plan of job 28.0 is outdated
at 204500 plan 28.0 after=201000 resumed=204500 suspended=202000..204000*3 instants=205000,206000,207000,208000 -> ok
show job 28.0
    | c rev 1 lives
    | settled 204000 live 1 planned [205000, 206000, 207000, 208000]
    | 28.0/0 due 201000 rev 1 executing 30.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 28.0/1 due 202000 rev 1 skipped Suspended 3 to 204000 at 204500
# Suspended and resumed again before the plan came: only the newest resume counts.
at 205500 suspend trade/c -> SUSPENDED 28.0, ready trade, 28.0/2 skipped Suspended 1 to 205000
at 206500 resume trade/c -> RESUMED 28.0, needs plan 28.0
at 206600 suspend trade/c -> SUSPENDED 28.0
at 207500 resume trade/c -> RESUMED 28.0, needs plan 28.0
at 207500 plan 28.0 after=205000 resumed=206500 suspended=206000..206000*1 instants=207000,208000 -> refused: the plan of job 28.0 is outdated
at 207500 plan 28.0 after=205000 resumed=207500 suspended=206000..207000*2 ended -> ok
at 207500 complete 30.0 success -> accepted, 28.0/0 succeeded, 28.0 ends
show job 28.0
    | c rev 1 has ended
    | 28.0/0 due 201000 rev 1 succeeded at 207500 executions 1 retries 0 reclaims 0 [30.0 EXECUTE_SUCCESS]
    | 28.0/1 due 202000 rev 1 skipped Suspended 3 to 204000 at 204500
    | 28.0/2 due 205000 rev 1 skipped Suspended 1 to 205000 at 205500 error "its job was suspended"
    | 28.0/3 due 206000 rev 1 skipped Suspended 2 to 207000 at 207500
