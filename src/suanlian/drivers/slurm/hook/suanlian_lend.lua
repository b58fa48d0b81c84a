-- Written by `suanlian-agent lending install-hook`: a job that asks to be lent gets a guard before its body.
-- In job_submit.lua:
--     dofile("/etc/slurm/suanlian_lend.lua")
--     and first in slurm_job_submit(job_desc, part_list, submit_uid): suanlian_lend(job_desc, part_list)

local queues = {@QUEUES@}
local lending_queues = {@LENDING_QUEUES@}
local variables = {@VARIABLES@}
local guard = [==[
@GUARD@]==]

local function has(list, name)
    for _, known in ipairs(list) do
        if known == name then return true end
    end
    return false
end

local function hex(text)
    return (string.gsub(text, ".", function(char) return string.format("%02x", string.byte(char)) end))
end

-- Only a batch script of sh or bash without arguments; whatever else is asked for, the agent looks at.
local function is_plain(job)
    if job.script == nil or (job.argc ~= nil and job.argc > 1) then return false end
    if string.find(job.script, "suanlian-lend", 1, true) ~= nil then return false end
    local interpreter = string.match(job.script, "^#![ \t]*/usr/bin/env[ \t]+(%l+)[ \t]*\n")
        or string.match(job.script, "^#![ \t]*[%w/._-]-/?(%l+)[ \t]*\n")
    return interpreter == "sh" or interpreter == "bash" or interpreter == "dash"
end

local function queue_of(job, partitions)
    if job.partition ~= nil then return job.partition end
    for name, partition in pairs(partitions or {}) do
        if partition.flag_default ~= 0 then return name end
    end
    return ""
end

local function asks(job, partitions)
    local queue, said = queue_of(job, partitions), job.comment or ""
    if has(lending_queues, queue) then return true end
    return has(queues, queue) and (said == "suanlian" or string.sub(said, 1, 9) == "suanlian:")
end

function suanlian_lend(job, partitions)
    if not asks(job, partitions) or not is_plain(job) then return end
    local first, rest = string.match(job.script, "^([^\n]*\n)(.*)$")
    local told = ""
    for _, name in ipairs(variables) do
        local value = job.environment ~= nil and job.environment[name] or nil
        if value ~= nil then told = told .. "# suanlian-variable " .. name .. " " .. hex(value) .. "\n" end
    end
    job.script = first .. guard .. told .. rest
end
