# sbatch
# --parsable
# --chdir=<workspace>
# --output=<workspace>/runs/adhoc/<sweep>/logs/agent_3_%a.log
# --array=0-1%1
#!/bin/bash
#SBATCH --comment='trainconf <sweep> <hash> 3+2'
#SBATCH --cpus-per-task=1
#SBATCH --job-name=<sweep>
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@15

trap '' USR1
exec <python> -I -S -Xutf8=<mode> <package>/agent/__main__.py '<workspace>/runs/adhoc/<sweep>' --task 3
