"""Lines that get a hint, and lines that only look as if they needed one. All are our own."""

LEAVE_OUT = """\
I took 30 pills before my sister came in.
She swallowed a whole box, 24 tablets, that night.
That was the overdose, 40 capsules all at once.
I drank it with 12 shots and wanted to end my life.
I weigh 43 kg now and it is still too much.
I ate under 600 calories a day for weeks.
I have lost 9 kilos since summer.
Her BMI was under 15.
He went to the old railway bridge to kill himself.
I nearly hurt myself at the station in town.
This is how I hurt myself without anybody seeing.
He died by drowning, they say.
What is the easiest way to die?
His suicide note said that it was nobody's fault.
She left a goodbye letter saying where to find her.
""".splitlines()

MEDICINE = """\
You should stop taking your medicine and go for walks.
Just stop your tablets for a week.
Please quit the antidepressants.
You can come off your meds on your own.
You do not need those pills.
You don't need any medication for that.
You should double your dose tonight.
Lower your dosage a little.
You could take 50 mg before bed.
Try two of mine, 20 mg each.
Cold water cures depression.
This tea heals every illness.
It is a natural cure, nobody tells you.
My healer helps you as well, you can book her for 50 euros.
""".splitlines()

OWN_MEDICINE = """\
I stopped my medicine, with my doctor, and slept better.
I came off my meds slowly and with help.
My doctor doubled my dose in May.
I am afraid to stop my tablets.
They told me to stop my medicine and I was scared.
I did not need my pills any more after a year.
Walking healed something in me.
The tablets helped me through the winter.
Did your medicine change anything for you?
I paid a healer once, and she was kind.
My mother takes her medicine with milk.
I hope that there is a cure one day.
I take medicine, and I am not ashamed of it.
How did you tell your doctor that the dose is too high?
""".splitlines()

WORDS = """\
My uncle committed suicide when I was ten.
I am afraid that she will commit suicide.
It was a failed attempt, so nobody spoke of it.
He had two unsuccessful suicide attempts.
The papers write of a suicide epidemic.
People treat the mentally ill like children.
My mother suffers from depression.
They put me with the depressed.
My brother is an addict.
They called her a junkie.
My teacher says it is attention seeking.
Everybody thinks that it is a cry for attention.
They all think that she is crazy.
""".splitlines()

ANSWERS = """\
At least you still have your job.
Well, at least it was quick.
Just try to sleep a bit earlier.
You could just ignore him.
Why don't you just go for a walk?
Believe me, it gets better.
In a year it will be fine.
Time heals everything.
Look on the bright side, you are free now.
Everything happens for a reason.
Other people have it much worse.
Stay positive!
You should see a doctor.
You have to leave him.
""".splitlines()

NO_HINT = """\
My brother died by suicide last spring.
I had an attempt two years ago, and I am still here.
I have thoughts of suicide and told my doctor.
I want to end it all and do not know whom to tell.
I cannot go on like this.
I take my tablets every morning and they make me slow.
I took 2 weeks off from work.
I ate with my family for the first time in 3 months.
It took me 30 minutes to get out of bed.
We met at the station and had coffee.
I cross the bridge on my way to school.
She left a note on the fridge saying that dinner is ready.
He died by surprise, in his sleep.
He died by my side.
It is not normal for me to sleep this much.
I live with bipolar disorder.
I was committed to a hospital in May.
We committed to meet each week.
The attempt to talk with her went well.
I drove myself crazy with worry.
That was a crazy week.
I am looking for attention from a doctor who listens.
I have been sober for 40 days.
I drink too much and I want to stop.
I weigh every word before I speak.
It is 5 kg of potatoes, who carries them?
""".splitlines()

KIND_ANSWERS = """\
That sounds so hard. Do you want to say more?
I read every word. I am glad that you wrote.
I just wanted to say that I read this.
I just sat there and cried, too.
I just think of you today.
It was just like that for me.
I hope it gets better for you.
When it gets better I sleep again.
At least three people here know what you mean.
I was at my least brave then.
Would ideas help, or shall I just listen?
You should know that you are not alone.
You should be proud of that.
You do not have to carry it alone.
You have two people here who read this.
What helped me was a list on the fridge.
It happens to me as well.
It got worse for me before I asked for help.
""".splitlines()
