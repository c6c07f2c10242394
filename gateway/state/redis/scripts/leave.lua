-- uses: guard
-- Leaves the line, and gives a batch back that was granted to one who no longer waits.
--
-- KEYS  holds, leases, line
-- ARGV  hold
-- gives how many wait still
local holds, leases, line, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
redis.call('ZREM', line, id)
local record = redis.call('HGET', holds, 'h:' .. id)
if record and record:sub(1, 1) == '1' then
  local ends = redis.call('ZSCORE', leases, id)
  drop(holds, leases, id)
  if #record > 1 then put(holds, leases, id, '0' .. record:sub(2), ends) end
end
local _, waiting = first_in_line(holds, line, server_ms())
return waiting
