-- Values of one shard. KEYS: its head, then the bucket of each field.
-- ARGV: identity of the log, generation, least n, then the fields.
-- Gives {1, value or false, ...}, or {0, identity, generation, n, buckets, key} when the shard is
-- not what was expected; a bucket without its mark is lost, and so is the shard.
local head = redis.call('HMGET', KEYS[1], 'identity', 'generation', 'n', 'buckets', 'key')
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] or tonumber(head[3]) < tonumber(ARGV[3]) then
  return {0, unpack(head)}
end
local found = {1}
for i = 2, #KEYS do
  local pair = redis.call('HMGET', KEYS[i], '', ARGV[i + 2])
  if not pair[1] then
    redis.call('HSET', KEYS[1], 'identity', '')
    return {0, false, false, false, false, false}
  end
  found[i] = pair[2]
end
return found
