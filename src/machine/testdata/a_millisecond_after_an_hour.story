# A repeat job of one millisecond after an hour's outage costs a few entries, and a few rows.
at 0 online w1 trade 9 -> session 1.0
at 0 submit rely trade every=1 -> accepted 2.0
at 0 submit overlap trade every=1 norely -> accepted 3.0
at 3600000 tick -> ok, ready trade
show rows
    | Finished 4, Group 1, Job 2, Ledger 4, Live 1025, NodeEvent 1, Periodic 2, TaskKey 2, Tracker 1
show next
    | Some(3600001)
at 3600000 tick -> ok
show rows
    | Finished 4, Group 1, Job 2, Ledger 4, Live 1025, NodeEvent 1, Periodic 2, TaskKey 2, Tracker 1
show next
    | Some(3600001)
at 3600000 cancel trade/overlap -> CANCELLED 3.0, 3.0/1 cancelled, 3.0/2 cancelled, 3.0/3 cancelled, 3.0/4 cancelled, 3.0/5 cancelled, 3.0/6 cancelled, 3.0/7 cancelled, 3.0/8 cancelled, 3.0/9 cancelled, 3.0/10 cancelled, 3.0/11 cancelled, 3.0/12 cancelled, 3.0/13 cancelled, 3.0/14 cancelled, 3.0/15 cancelled, 3.0/16 cancelled, 3.0/17 cancelled, 3.0/18 cancelled, 3.0/19 cancelled, 3.0/20 cancelled, 3.0/21 cancelled, 3.0/22 cancelled, 3.0/23 cancelled, and 1002 more
at 3600000 cancel trade/rely -> CANCELLED 2.0, 2.0/1 cancelled, 2.0 ends
# With a long misfire_after and a start deadline: still one row for a range.
at 4000000 submit deadline trade every=1 misfire_after=99999999999 deadline=5 -> accepted 8.0
at 7600000 tick -> ok, ready trade
show job 8.0
    | deadline rev 1 lives
    | settled 7600000 live 1 next 7600001 every 1ms remaining None
    | 8.0/1 due 7599995 rev 1 ready since 7600000 executions 0 retries 0 reclaims 0
    | 8.0/0 due 4000000 rev 1 skipped DeadlinePassed 3599995 to 7599994 at 7600000
    | 8.0/2 due 7599996 rev 1 skipped PreviousStillLive 5 to 7600000 at 7600000
show next
    | Some(7600001)
