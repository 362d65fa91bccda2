# W5, W20, W22: who leads is not known here. No time that passes ends an execution, a retry or a wait by itself; what
# ends them is in the tables, so a new leader that looks at the next due time goes on where the old one stopped.
at 0 online w1 trade 9 -> session 1.0
at 0 submit runs trade , waits trade at=5000 , tries trade retries=1 delay=5000 -> accepted 2.0, accepted 2.1, accepted 2.2, ready trade
at 0 dispatch w1 9 -> push 3.0 of 2.0/0 due 0, push 3.1 of 2.2/0 due 0
at 100 complete 3.1 exception -> accepted
show due
    | run 2.1/0
    | run 2.2/0
show next
    | Some(5000)
at 600000 tick -> ok, ready trade
show trackers
    | trade/w1 session 1.0 start 1 online since 0 capacity 9
show job 2.0
    | runs rev 1 lives
    | 2.0/0 due 0 rev 1 executing 3.0 on w1 1.0 executions 1 retries 0 reclaims 0
show job 2.1
    | waits rev 1 lives
    | 2.1/0 due 5000 rev 1 ready since 600000 executions 0 retries 0 reclaims 0
show job 2.2
    | tries rev 1 lives
    | 2.2/0 due 0 rev 1 ready since 600000 executions 1 retries 1 reclaims 0
